package org.kivy.android;

public class PythonService extends android.app.Service implements Runnable {
    public static PythonService mService = null;

    @Override
    public android.os.IBinder onBind(android.content.Intent intent) {
        return null;
    }

    @Override
    public void run() {}
}
