package org.pytorch.executorch;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import phone.Phone;

/** The AAR's signatures; the model file's text says what the model computes. */
public class Module {
    public static final int LOAD_MODE_FILE = 0;
    public static final int LOAD_MODE_MMAP = 1;
    public static int threads;

    private final String computes;
    private boolean isDestroyed;

    private Module(String moduleAbsolutePath, int numThreads) {
        try {
            computes = new String(Files.readAllBytes(Paths.get(moduleAbsolutePath)));
        } catch (IOException error) {
            throw new RuntimeException("Cannot load model path " + moduleAbsolutePath);
        }
        threads = numThreads;
    }

    public static Module load(final String modelPath, int loadMode, int numThreads) {
        if (loadMode != LOAD_MODE_FILE && loadMode != LOAD_MODE_MMAP) {
            throw new IllegalArgumentException("loadMode " + loadMode);
        }
        return new Module(modelPath, numThreads);
    }

    public static Module load(final String modelPath, int loadMode) {
        return load(modelPath, loadMode, 0);
    }

    public static Module load(final String modelPath) {
        return load(modelPath, LOAD_MODE_FILE);
    }

    public int loadMethod(String methodName) {
        boolean isKnown = computes.equals("moments") || computes.equals("loudness");
        return isKnown && methodName.equals("forward") ? 0 : 0x23;
    }

    public EValue[] forward(EValue... inputs) {
        return execute("forward", inputs);
    }

    public EValue[] execute(String methodName, EValue... inputs) {
        Phone.stack = Arrays.toString(Thread.currentThread().getStackTrace());
        if (isDestroyed) {
            return new EValue[0];
        }
        if (inputs.length != 1 || !inputs[0].isTensor()) {
            throw new IllegalArgumentException("forward takes one tensor");
        }
        Tensor input = inputs[0].toTensor();
        long[] shape = input.shape();
        float[] x = input.getDataAsFloatArray();
        if (shape.length != 2 || shape[0] != 1 || shape[1] != x.length || x.length < 3) {
            throw new IllegalArgumentException("shape " + Arrays.toString(shape));
        }
        double power = 0;
        double weighted = 0;
        for (int i = 0; i < x.length; i++) {
            power += x[i] * x[i] / x.length;
            weighted += x[i] * (double) i / x.length;
        }
        float[] moments = {(float) weighted, x[0], x[x.length - 1]};
        float[] quiet = {0.9f, 0.1f, 0};
        float[] loud = {0.1f, 0.9f, 0};
        float[] loudness = Math.sqrt(power) > 0.1 ? loud : quiet;
        float[] y = computes.equals("moments") ? moments : loudness;
        return new EValue[] {EValue.from(Tensor.fromBlob(y, new long[] {1, 3}))};
    }

    public void destroy() {
        isDestroyed = true;
    }
}
