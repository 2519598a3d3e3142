package android.os;

public final class PowerManager {
    public static final int THERMAL_STATUS_NONE = 0;

    public static int status;

    public int getCurrentThermalStatus() {
        if (Build.VERSION.SDK_INT < 29) {
            throw new NoSuchMethodError("getCurrentThermalStatus"); // API level 29
        }
        return status;
    }
}
