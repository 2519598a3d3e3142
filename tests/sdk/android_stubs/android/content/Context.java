package android.content;

import android.content.pm.ApplicationInfo;
import android.content.pm.PackageManager;
import android.content.res.Resources;
import java.io.File;
import phone.Phone;

public abstract class Context {
    public static final String AUDIO_SERVICE = "audio";
    public static final String BATTERY_SERVICE = "batterymanager";
    public static final String NOTIFICATION_SERVICE = "notification";
    public static final String POWER_SERVICE = "power";

    public Context getApplicationContext() {
        return this;
    }

    public ApplicationInfo getApplicationInfo() {
        return new ApplicationInfo();
    }

    public PackageManager getPackageManager() {
        return new PackageManager();
    }

    public String getPackageName() {
        return "org.kilohear.kilohear";
    }

    public Resources getResources() {
        return new Resources();
    }

    public final String getString(int number) {
        return "string " + number;
    }

    public File getCacheDir() {
        return new File(Phone.folder, "cache");
    }

    public File getFilesDir() {
        return new File(Phone.folder, "files");
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
            case BATTERY_SERVICE:
                return new android.os.BatteryManager();
            case NOTIFICATION_SERVICE:
                return new android.app.NotificationManager();
            case POWER_SERVICE:
                return new android.os.PowerManager();
            default:
                return null;
        }
    }

    public final <T> T getSystemService(Class<T> serviceClass) {
        throw new UnsupportedOperationException();
    }

    public Intent registerReceiver(BroadcastReceiver receiver, IntentFilter filter) {
        if (receiver != null || !filter.action.equals(Intent.ACTION_BATTERY_CHANGED)) {
            throw new IllegalArgumentException("only the sticky battery is here");
        }
        return Phone.battery;
    }

    public Intent registerReceiver(BroadcastReceiver receiver, IntentFilter filter, int flags) {
        throw new UnsupportedOperationException();
    }

    public void startActivity(Intent intent) {
        if ("no app".equals(Phone.refusal)) {
            throw new ActivityNotFoundException("No Activity found to handle Intent");
        }
        Phone.shown = intent;
    }

    public void startService(Intent intent) {
        if ("background".equals(Phone.refusal)) {
            throw new IllegalStateException("Not allowed to start service Intent");
        }
        Phone.service = intent;
    }

    public boolean stopService(Intent intent) {
        return true;
    }
}
