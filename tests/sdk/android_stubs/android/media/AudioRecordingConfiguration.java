package android.media;

import phone.Phone;

public final class AudioRecordingConfiguration {
    AudioRecordingConfiguration() {}

    public boolean isClientSilenced() {
        return Phone.isSilenced;
    }
}
