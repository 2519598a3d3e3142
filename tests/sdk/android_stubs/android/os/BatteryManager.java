package android.os;

public class BatteryManager {
    public static final int BATTERY_PROPERTY_CHARGE_COUNTER = 1;
    public static final int BATTERY_PROPERTY_CURRENT_NOW = 2;
    public static final String EXTRA_LEVEL = "level";
    public static final String EXTRA_PLUGGED = "plugged";
    public static final String EXTRA_PRESENT = "present";
    public static final String EXTRA_SCALE = "scale";
    public static final String EXTRA_TEMPERATURE = "temperature";
    public static final String EXTRA_VOLTAGE = "voltage";

    public static long current;
    public static long charge;

    public long getLongProperty(int id) {
        switch (id) {
            case BATTERY_PROPERTY_CHARGE_COUNTER:
                return charge;
            case BATTERY_PROPERTY_CURRENT_NOW:
                return current;
            default:
                return Long.MIN_VALUE;
        }
    }
}
