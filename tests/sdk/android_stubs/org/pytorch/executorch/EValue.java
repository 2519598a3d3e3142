package org.pytorch.executorch;

public class EValue {
    private Object mData;

    private EValue(Object data) {
        mData = data;
    }

    public static EValue from(Tensor tensor) {
        return new EValue(tensor);
    }

    public static EValue from(boolean value) {
        return new EValue(value);
    }

    public static EValue from(long value) {
        return new EValue(value);
    }

    public static EValue from(double value) {
        return new EValue(value);
    }

    public static EValue from(String value) {
        return new EValue(value);
    }

    public boolean isTensor() {
        return mData instanceof Tensor;
    }

    public Tensor toTensor() {
        return (Tensor) mData;
    }
}
