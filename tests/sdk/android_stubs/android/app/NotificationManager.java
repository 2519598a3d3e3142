package android.app;

import phone.Phone;

public class NotificationManager {
    public static final int IMPORTANCE_NONE = 0;
    public static final int IMPORTANCE_LOW = 2;
    public static final int IMPORTANCE_DEFAULT = 3;

    public void createNotificationChannel(NotificationChannel channel) {
        Phone.channel = channel;
    }

    public void notify(int id, Notification notification) {
        Phone.notification = notification;
    }
}
