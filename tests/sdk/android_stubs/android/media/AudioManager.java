package android.media;

import phone.Phone;

public class AudioManager {
    public static final int MODE_NORMAL = 0;
    public static final int MODE_IN_CALL = 2;
    public static final int MODE_IN_COMMUNICATION = 3;
    public static final String PROPERTY_SUPPORT_AUDIO_SOURCE_UNPROCESSED =
            "android.media.property.SUPPORT_AUDIO_SOURCE_UNPROCESSED";

    public int getMode() {
        return Phone.mode;
    }

    public String getProperty(String key) {
        boolean isKnown = PROPERTY_SUPPORT_AUDIO_SOURCE_UNPROCESSED.equals(key);
        return isKnown && Phone.hasUnprocessed ? "true" : null;
    }
}
