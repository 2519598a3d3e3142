package android.view;

import phone.Phone;

public class Window {
    public void addFlags(int flags) {
        Phone.onlyInUiThread();
        Phone.windowFlags |= flags;
    }

    public void clearFlags(int flags) {
        Phone.onlyInUiThread();
        Phone.windowFlags &= ~flags;
    }
}
