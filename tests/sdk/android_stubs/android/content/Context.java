package android.content;

import android.content.pm.ApplicationInfo;
import android.content.pm.PackageManager;
import phone.Phone;

public abstract class Context {
    public static final String AUDIO_SERVICE = "audio";
    public static final String NOTIFICATION_SERVICE = "notification";

    public Context getApplicationContext() {
        return this;
    }

    public ApplicationInfo getApplicationInfo() {
        return new ApplicationInfo();
    }

    public int checkSelfPermission(String permission) {
        return Phone.isGranted(permission)
                ? PackageManager.PERMISSION_GRANTED
                : PackageManager.PERMISSION_DENIED;
    }

    public Object getSystemService(String name) {
        switch (name) {
            case AUDIO_SERVICE:
                return new android.media.AudioManager();
            case NOTIFICATION_SERVICE:
                return new android.app.NotificationManager();
            default:
                return null;
        }
    }

    public final <T> T getSystemService(Class<T> serviceClass) {
        throw new UnsupportedOperationException();
    }
}
