package android.app;

import android.content.Intent;
import android.os.IBinder;
import phone.Phone;

public abstract class Service extends android.content.Context {
    public static final int START_STICKY = 1;
    public static final int START_NOT_STICKY = 2;

    public abstract IBinder onBind(Intent intent);

    public void onCreate() {}

    public int onStartCommand(Intent intent, int flags, int startId) {
        return START_STICKY;
    }

    public void onDestroy() {}

    public void onTaskRemoved(Intent rootIntent) {}

    public final void stopSelf() {
        Phone.stopped++;
    }

    public final void startForeground(int id, Notification notification) {
        startForeground(id, notification, 0);
    }

    public final void startForeground(
            int id, Notification notification, int foregroundServiceType) {
        if ("background".equals(Phone.refusal)) {
            throw new ForegroundServiceStartNotAllowedException("mAllowStartForeground false");
        }
        if ("permission".equals(Phone.refusal)) {
            throw new SecurityException("Starting FGS with type microphone requires permissions");
        }
        if ("manifest".equals(Phone.refusal)) {
            throw new IllegalArgumentException("foregroundServiceType 0x80 is not a subset");
        }
        Phone.foregroundId = id;
        Phone.foregroundType = foregroundServiceType;
        Phone.notification = notification;
    }
}
