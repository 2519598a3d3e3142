package android.media;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Arrays;
import phone.Phone;

/** Android's signatures; what is heard is what the test lets `Phone` play. */
public class AudioRecord {
    public static final int STATE_UNINITIALIZED = 0;
    public static final int STATE_INITIALIZED = 1;
    public static final int RECORDSTATE_STOPPED = 1;
    public static final int RECORDSTATE_RECORDING = 3;
    public static final int SUCCESS = 0;
    public static final int ERROR = -1;
    public static final int ERROR_BAD_VALUE = -2;
    public static final int ERROR_INVALID_OPERATION = -3;
    public static final int ERROR_DEAD_OBJECT = -6;
    public static final int READ_BLOCKING = 0;
    public static final int READ_NON_BLOCKING = 1;

    private final int rateHz;
    private final int encoding;
    private int state = STATE_UNINITIALIZED;
    private int recordingState = RECORDSTATE_STOPPED;
    private final ArrayDeque<String> steps = new ArrayDeque<>();
    private double amplitude;
    private long due; // samples of the step under way
    private long frames;
    private long nanos = 1_000_000_000_000L;

    public AudioRecord(
            int audioSource,
            int sampleRateInHz,
            int channelConfig,
            int audioFormat,
            int bufferSizeInBytes)
            throws IllegalArgumentException {
        if (channelConfig != AudioFormat.CHANNEL_IN_MONO) {
            throw new IllegalArgumentException("channelConfig " + channelConfig);
        }
        rateHz = sampleRateInHz;
        encoding = audioFormat;
        Phone.requestedSource = audioSource;
        Phone.requestedEncoding = audioFormat;
        boolean isBigEnough =
                bufferSizeInBytes >= getMinBufferSize(sampleRateInHz, channelConfig, audioFormat);
        if (isBigEnough && Phone.isGranted("android.permission.RECORD_AUDIO")) {
            state = STATE_INITIALIZED;
            Phone.open++;
        }
    }

    public AudioRecord(
            AudioAttributes attributes, AudioFormat format, int bufferSizeInBytes, int sessionId) {
        throw new UnsupportedOperationException();
    }

    public static int getMinBufferSize(int sampleRateInHz, int channelConfig, int audioFormat) {
        boolean isKnown = audioFormat == AudioFormat.ENCODING_PCM_16BIT || Phone.grantsFloat;
        return isKnown && Phone.grantsRate(sampleRateInHz) ? 1280 : ERROR_BAD_VALUE;
    }

    public int getState() {
        return state;
    }

    public int getRecordingState() {
        return recordingState;
    }

    public void startRecording() throws IllegalStateException {
        if (state != STATE_INITIALIZED) {
            throw new IllegalStateException("startRecording() called on an uninitialized record");
        }
        String act = Phone.nextAct();
        if (act != null) {
            steps.addAll(Arrays.asList(act.split(", ")));
            recordingState = RECORDSTATE_RECORDING;
        }
    }

    public void stop() throws IllegalStateException {
        if (state != STATE_INITIALIZED) {
            throw new IllegalStateException("stop() called on an uninitialized record");
        }
        recordingState = RECORDSTATE_STOPPED;
    }

    public void release() {
        if (state == STATE_INITIALIZED) {
            Phone.open--;
        }
        state = STATE_UNINITIALIZED;
    }

    public int read(byte[] audioData, int offsetInBytes, int sizeInBytes) {
        throw new UnsupportedOperationException("read(byte[], int, int)");
    }

    public int read(byte[] audioData, int offsetInBytes, int sizeInBytes, int readMode) {
        throw new UnsupportedOperationException("read(byte[], int, int, int)");
    }

    public int read(short[] audioData, int offsetInShorts, int sizeInShorts) {
        throw new UnsupportedOperationException("read(short[], int, int)");
    }

    public int read(short[] audioData, int offsetInShorts, int sizeInShorts, int readMode) {
        throw new UnsupportedOperationException("read(short[], int, int, int)");
    }

    /** For the Kotlin guide; a script that is over gives what is left, then 0. */
    public int read(float[] audioData, int offsetInFloats, int sizeInFloats, int readMode) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(4 * sizeInFloats);
        int filled = 0;
        while (filled < sizeInFloats) {
            int got = read(bytes, 4 * (sizeInFloats - filled), READ_NON_BLOCKING);
            if (got <= 0) {
                return filled > 0 ? filled : got;
            }
            bytes.order(ByteOrder.nativeOrder()).asFloatBuffer().get(audioData, offsetInFloats + filled, got / 4);
            filled += got / 4;
        }
        return filled;
    }

    public int getSampleRate() {
        return rateHz;
    }

    public int read(ByteBuffer audioBuffer, int sizeInBytes) {
        return read(audioBuffer, sizeInBytes, READ_BLOCKING);
    }

    public int read(ByteBuffer audioBuffer, int sizeInBytes, int readMode) {
        if (state != STATE_INITIALIZED) {
            return ERROR_INVALID_OPERATION;
        }
        if (readMode != READ_NON_BLOCKING || sizeInBytes > audioBuffer.remaining()) {
            return ERROR_BAD_VALUE; // the tests' phone has no time to wait
        }
        Phone.lastBuffer = audioBuffer;
        if (!audioBuffer.isDirect()) {
            return 0;
        }
        while (due == 0) {
            if (steps.isEmpty()) {
                return 0;
            }
            int error = step(steps.poll());
            if (error != 0) {
                return error;
            }
        }
        int width = encoding == AudioFormat.ENCODING_PCM_FLOAT ? 4 : 2;
        int samples = (int) Math.min(due, sizeInBytes / width);
        ByteBuffer out = audioBuffer.duplicate().order(ByteOrder.nativeOrder());
        for (int i = 0; i < samples; i++) {
            double x = amplitude * Math.sin(2 * Math.PI * 200 * (frames + i) / rateHz);
            if (width == 4) {
                out.putFloat((float) x);
            } else {
                out.putShort((short) Math.round(32768 * x));
            }
        }
        frames += samples;
        nanos += samples * 1_000_000_000L / rateHz;
        due -= samples;
        return samples * width;
    }

    /** Take a step of the act: "tone SECONDS", "zeros SECONDS", "lose SAMPLES" and the like. */
    private int step(String step) {
        String[] words = step.split(" ");
        switch (words[0]) {
            case "tone":
            case "zeros":
                amplitude = words[0].equals("tone") ? 0.5 : 0;
                due = Math.round(Double.parseDouble(words[1]) * rateHz);
                return 0;
            case "lose":
                nanos += Long.parseLong(words[1]) * 1_000_000_000L / rateHz;
                return 0;
            case "error":
                return Integer.parseInt(words[1]);
            case "revoke":
                Phone.revoke("RECORD_AUDIO");
                return 0;
            case "mode":
                Phone.mode = Integer.parseInt(words[1]);
                return 0;
            case "silence":
                Phone.isSilenced = true;
                return 0;
            default:
                throw new IllegalStateException("no step " + step);
        }
    }

    public int getTimestamp(AudioTimestamp outTimestamp, int timebase) {
        if (outTimestamp == null || timebase != AudioTimestamp.TIMEBASE_MONOTONIC) {
            throw new IllegalArgumentException();
        }
        outTimestamp.framePosition = frames;
        outTimestamp.nanoTime = nanos;
        return frames == 0 ? ERROR_INVALID_OPERATION : SUCCESS;
    }

    public AudioRecordingConfiguration getActiveRecordingConfiguration() {
        if (android.os.Build.VERSION.SDK_INT < 29) {
            throw new NoSuchMethodError("getActiveRecordingConfiguration");
        }
        return new AudioRecordingConfiguration();
    }
}
