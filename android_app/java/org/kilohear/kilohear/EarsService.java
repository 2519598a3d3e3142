package org.kilohear.kilohear;

import android.app.Notification;
import android.app.NotificationChannel;
import android.app.NotificationManager;
import android.app.PendingIntent;
import android.content.Context;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.os.Build;
import android.os.Bundle;
import android.util.Log;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.json.JSONObject;
import org.kivy.android.PythonActivity;
import org.kivy.android.PythonService;

/**
 * The service that listens: it ends, saying so, where Android doesn't let it listen.
 *
 * <p>Android starts a sticky service anew that it had killed. While the app is out of sight it may
 * refuse it the foreground, and the microphone with it, by an exception that python-for-android
 * doesn't catch, in code that runs before Python: the app would crash, be started again, and crash.
 */
public class EarsService extends PythonService {
    private static final String CHANNEL = "kilohear.ended";
    private static final int ENDED = 2; // python-for-android's own is 1

    @Override
    protected void doStartForeground(Bundle extras) {
        try {
            super.doStartForeground(extras);
        } catch (IllegalStateException | SecurityException refused) {
            Log.w("kilohear", "may not listen in the background: " + refused.getMessage());
            tellTheApp("Android doesn't let the service listen: " + refused.getMessage());
            tellThatListeningEnded();
            stopSelf();
        }
    }

    /** Leaves word for the app, as kilohear_ui.ears.wire reads it, whole or not at all. */
    private void tellTheApp(String why) {
        boolean mayRecord =
                checkSelfPermission("android.permission.RECORD_AUDIO")
                        == PackageManager.PERMISSION_GRANTED;
        String kind = mayRecord ? "service_gone" : "no_permission";
        String detail = JSONObject.quote(why);
        String ended = "{\"problem\": {\"kind\": \"" + kind + "\", \"detail\": " + detail + "}}\n";
        File temporary = new File(getFilesDir(), ".ended.json");
        try (FileOutputStream file = new FileOutputStream(temporary)) {
            file.write(ended.getBytes(StandardCharsets.UTF_8));
            file.getFD().sync();
            temporary.renameTo(new File(getFilesDir(), "ended.json"));
        } catch (IOException full) {
            Log.w("kilohear", "the app isn't told: " + full.getMessage());
            temporary.delete();
        }
    }

    private void tellThatListeningEnded() {
        NotificationManager manager =
                (NotificationManager) getSystemService(Context.NOTIFICATION_SERVICE);
        Notification.Builder builder;
        if (Build.VERSION.SDK_INT >= 26) {
            String name = getString(R.string.ended_channel);
            manager.createNotificationChannel(
                    new NotificationChannel(
                            CHANNEL, name, NotificationManager.IMPORTANCE_DEFAULT));
            builder = new Notification.Builder(this, CHANNEL);
        } else {
            builder = new Notification.Builder(this);
        }
        Intent open = new Intent(this, PythonActivity.class);
        int flags = PendingIntent.FLAG_IMMUTABLE | PendingIntent.FLAG_UPDATE_CURRENT;
        builder.setSmallIcon(getApplicationInfo().icon);
        builder.setContentTitle(getString(R.string.ended_title));
        builder.setContentText(getString(R.string.ended_text));
        builder.setContentIntent(PendingIntent.getActivity(this, 0, open, flags));
        builder.setAutoCancel(true);
        manager.notify(ENDED, builder.build());
    }
}
