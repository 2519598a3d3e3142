package org.pytorch.executorch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;

/** The AAR's overloads; those for other types than float32 refuse. */
public abstract class Tensor {
    final long[] shape;

    private Tensor(long[] shape) {
        this.shape = Arrays.copyOf(shape, shape.length);
    }

    public long[] shape() {
        return Arrays.copyOf(shape, shape.length);
    }

    public float[] getDataAsFloatArray() {
        throw new IllegalStateException("cannot return data as float array");
    }

    public static Tensor fromBlob(FloatBuffer data, long[] shape) {
        long numbers = 1;
        for (long size : shape) {
            numbers *= size;
        }
        if (data.capacity() != numbers) {
            throw new IllegalArgumentException("Inconsistent data capacity:" + data.capacity());
        }
        if (!data.isDirect() || data.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException("Data buffer must be direct, in native order");
        }
        return new Tensor_float32(data, shape);
    }

    public static Tensor fromBlob(float[] data, long[] shape) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(4 * data.length).order(ByteOrder.nativeOrder());
        return fromBlob(bytes.asFloatBuffer().put(data), shape);
    }

    public static Tensor fromBlob(byte[] data, long[] shape) {
        throw new UnsupportedOperationException("fromBlob(byte[], long[])");
    }

    public static Tensor fromBlob(int[] data, long[] shape) {
        throw new UnsupportedOperationException("fromBlob(int[], long[])");
    }

    public static Tensor fromBlob(long[] data, long[] shape) {
        throw new UnsupportedOperationException("fromBlob(long[], long[])");
    }

    public static Tensor fromBlob(double[] data, long[] shape) {
        throw new UnsupportedOperationException("fromBlob(double[], long[])");
    }

    public static Tensor fromBlob(ByteBuffer data, long[] shape) {
        throw new UnsupportedOperationException("fromBlob(ByteBuffer, long[])");
    }

    public static Tensor fromBlob(IntBuffer data, long[] shape) {
        throw new UnsupportedOperationException("fromBlob(IntBuffer, long[])");
    }

    public static Tensor fromBlob(LongBuffer data, long[] shape) {
        throw new UnsupportedOperationException("fromBlob(LongBuffer, long[])");
    }

    public static Tensor fromBlob(DoubleBuffer data, long[] shape) {
        throw new UnsupportedOperationException("fromBlob(DoubleBuffer, long[])");
    }

    static class Tensor_float32 extends Tensor {
        private final FloatBuffer data;

        Tensor_float32(FloatBuffer data, long[] shape) {
            super(shape);
            this.data = data;
        }

        @Override
        public float[] getDataAsFloatArray() {
            data.rewind();
            float[] numbers = new float[data.remaining()];
            data.get(numbers);
            return numbers;
        }
    }
}
