package android.app;

import android.content.SharedPreferences;
import android.view.Window;
import phone.Phone;

public class Activity extends android.content.Context {
    private static final Window WINDOW = new Window();

    public final void requestPermissions(String[] permissions, int requestCode) {
        Phone.ask(this, permissions, requestCode);
    }

    public void onRequestPermissionsResult(
            int requestCode, String[] permissions, int[] grantResults) {}

    public boolean shouldShowRequestPermissionRationale(String permission) {
        return Phone.refusals == 1 && !Phone.isGranted(permission);
    }

    public SharedPreferences getPreferences(int mode) {
        return Phone.preferences;
    }

    public Window getWindow() {
        return WINDOW;
    }

    public final void runOnUiThread(Runnable work) {
        Phone.inUiThread(work);
    }
}
