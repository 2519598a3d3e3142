package android.app;

import android.content.Context;

public class Notification {
    public String channel = "";
    public String title;
    public String text;
    public int icon;
    public boolean isOngoing;
    public boolean endsWhenTapped;
    public PendingIntent tapped;

    public static final int VISIBILITY_PRIVATE = 0;

    public Notification() {}

    public Notification(int icon, CharSequence ticker, long when) {}

    public static class Builder {
        private final Notification built = new Notification();

        public Builder(Context context, String channelId) {
            built.channel = channelId;
        }

        public Builder(Context context) {}

        public Builder setSmallIcon(int icon) {
            built.icon = icon;
            return this;
        }

        public Builder setSmallIcon(int icon, int level) {
            throw new UnsupportedOperationException("setSmallIcon(int, int)");
        }

        public Builder setContentTitle(CharSequence title) {
            built.title = title.toString();
            return this;
        }

        public Builder setContentText(CharSequence text) {
            built.text = text.toString();
            return this;
        }

        public Builder setOngoing(boolean ongoing) {
            built.isOngoing = ongoing;
            return this;
        }

        public Builder setContentIntent(PendingIntent intent) {
            built.tapped = intent;
            return this;
        }

        public Builder setAutoCancel(boolean autoCancel) {
            built.endsWhenTapped = autoCancel;
            return this;
        }

        public Notification build() {
            return built;
        }
    }
}
