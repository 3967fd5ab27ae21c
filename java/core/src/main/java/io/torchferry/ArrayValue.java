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

    long longValue() {
        ByteBuffer in = data();
        long value = switch (data.length) {
            case 1 -> in.get(0);
            case 2 -> in.getShort(0);
            case 4 -> in.getInt(0);
            case 8 -> in.getLong(0);
            default -> throw ValuePath.unexpected("an int", this);
        };
        if (kind() != 'u') {
            return value;
        }
        if (data.length == 8 && value < 0) {
            throw new ArithmeticException("a uint64 beyond a long: " + Long.toUnsignedString(value));
        }
        return data.length == 8 ? value : value & ((1L << 8 * data.length) - 1);
    }

    double doubleValue() {
        if (isInteger()) {
            return longValue();
        }
        if (kind() == 'f' && data.length == 8) {
            return data().getDouble(0);
        }
        if (kind() == 'f' && data.length == 4) {
            return data().getFloat(0);
        }
        if (kind() == 'f' && data.length == 2) {
            return Half.toFloat(data().getShort(0));
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
