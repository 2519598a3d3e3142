package android.app;

public final class NotificationChannel {
    private final String id;
    private final int importance;

    public NotificationChannel(String id, CharSequence name, int importance) {
        this.id = id;
        this.importance = importance;
    }

    public String getId() {
        return id;
    }

    public int getImportance() {
        return importance;
    }

    public void setLightColor(int colour) {}

    public void setLockscreenVisibility(int visibility) {}
}
