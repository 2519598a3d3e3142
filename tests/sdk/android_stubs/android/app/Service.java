package android.app;

import phone.Phone;

public abstract class Service extends android.content.Context {
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
