package org.kivy.android;

/** As python-for-android's, as far as its Python modules use it. */
public class PythonActivity extends android.app.Activity {
    public static PythonActivity mActivity = null;

    private PermissionsCallback permissionCallback;

    public interface PermissionsCallback {
        void onRequestPermissionsResult(int requestCode, String[] permissions, int[] grantResults);
    }

    public void addPermissionsCallback(PermissionsCallback callback) {
        permissionCallback = callback;
    }

    @Override
    public void onRequestPermissionsResult(
            int requestCode, String[] permissions, int[] grantResults) {
        if (permissionCallback != null) {
            permissionCallback.onRequestPermissionsResult(requestCode, permissions, grantResults);
        }
    }

    public void requestPermissionsWithRequestCode(String[] permissions, int requestCode) {
        requestPermissions(permissions, requestCode);
    }
}
