package io.torchferry;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A numpy array or scalar. */
public final class ArrayValue implements Value {
    private final String dtype;
    private final long[] shape;
    private final byte[] data;

    ArrayValue(String dtype, long[] shape, byte[] data) {
        this.dtype = dtype;
        this.shape = shape;
        this.data = data;
    }

    /** The element type in numpy's form: {@code "<f4"}, {@code "|b1"}. */
    public String dtype() {
        return dtype;
    }

    /** The sizes, a fresh array; empty for a scalar. */
    public long[] shape() {
        return shape.clone();
    }

    /** The elements in row-major order, little-endian; a read-only view. */
    public ByteBuffer data() {
        return ByteBuffer.wrap(data).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Whether this is one value without dimensions. */
    public boolean isScalar() {
        return shape.length == 0;
    }

    boolean isInteger() {
        return "iu".indexOf(kind()) >= 0;
    }

    boolean isBoolean() {
        return kind() == 'b';
    }

    /**
     * All elements in row-major order, as a fresh array.
     *
     * @throws IllegalStateException unless they are integers of at most 64 bits
     * @throws ArithmeticException when one is unsigned and beyond a long
     */
    public long[] toLongArray() {
        long[] values = new long[count()];
        for (int i = 0; i < values.length; i++) {
            values[i] = longAt(i);
        }
        return values;
    }

    /**
     * All elements in row-major order, as a fresh array.
     *
     * @throws IllegalStateException unless they are real numbers of at most 64 bits
     */
    public double[] toDoubleArray() {
        double[] values = new double[count()];
        for (int i = 0; i < values.length; i++) {
            values[i] = doubleAt(i);
        }
        return values;
    }

    private int count() {
        long count = 1;
        for (long size : shape) {
            count *= size;
        }
        return Math.toIntExact(count);
    }

    private int width() {
        int count = count();
        return count == 0 ? 1 : data.length / count;
    }

    long longValue() {
        return longAt(0);
    }

    double doubleValue() {
        return doubleAt(0);
    }

    private long longAt(int index) {
        if (!isInteger()) {
            throw ValuePath.unexpected("made of ints", this);
        }
        int width = width();
        ByteBuffer in = data().slice(index * width, width).order(ByteOrder.LITTLE_ENDIAN);
        long value = switch (width) {
            case 1 -> in.get(0);
            case 2 -> in.getShort(0);
            case 4 -> in.getInt(0);
            case 8 -> in.getLong(0);
            default -> throw ValuePath.unexpected("an int", this);
        };
        if (kind() != 'u') {
            return value;
        }
        if (width == 8 && value < 0) {
            throw new ArithmeticException("a uint64 beyond a long: " + Long.toUnsignedString(value));
        }
        return width == 8 ? value : value & ((1L << 8 * width) - 1);
    }

    private double doubleAt(int index) {
        if (isInteger()) {
            return longAt(index);
        }
        int width = width();
        ByteBuffer in = data().slice(index * width, width).order(ByteOrder.LITTLE_ENDIAN);
        if (kind() == 'f' && width == 8) {
            return in.getDouble(0);
        }
        if (kind() == 'f' && width == 4) {
            return in.getFloat(0);
        }
        if (kind() == 'f' && width == 2) {
            return Half.toFloat(in.getShort(0));
        }
        throw ValuePath.unexpected("a float", this);
    }

    private char kind() {
        return dtype.length() > 1 ? dtype.charAt(1) : ' ';
    }

    /** A scalar's value, or {@code array(..., shape=(3,), dtype='<f4')}. */
    @Override
    public String toString() {
        boolean number = isScalar() && (isInteger() || kind() == 'f') && data.length <= 8;
        if (number && !(kind() == 'u' && data.length == 8)) {
            return isInteger() ? Long.toString(longValue()) : PythonText.real(doubleValue());
        }
        return "array(..., shape=" + PythonText.tuple(shape) + ", dtype=" + PythonText.quote(dtype) + ")";
    }
}
