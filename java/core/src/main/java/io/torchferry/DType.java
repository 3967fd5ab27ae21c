package io.torchferry;

import java.util.Locale;

/** Element types, under torch's names and numbers ({@code torch.dtype}, {@code c10::ScalarType}). */
public enum DType {
    /** {@code torch.uint8}. */
    UINT8(0, 1, Kind.INTEGER),
    /** {@code torch.int8}. */
    INT8(1, 1, Kind.INTEGER),
    /** {@code torch.int16}. */
    INT16(2, 2, Kind.INTEGER),
    /** {@code torch.int32}. */
    INT32(3, 4, Kind.INTEGER),
    /** {@code torch.int64}. */
    INT64(4, 8, Kind.INTEGER),
    /** {@code torch.float16}. */
    FLOAT16(5, 2, Kind.FLOATING),
    /** {@code torch.float32}. */
    FLOAT32(6, 4, Kind.FLOATING),
    /** {@code torch.float64}. */
    FLOAT64(7, 8, Kind.FLOATING),
    /** {@code torch.complex32}: two float16. */
    COMPLEX32(8, 4, Kind.COMPLEX),
    /** {@code torch.complex64}: two float32. */
    COMPLEX64(9, 8, Kind.COMPLEX),
    /** {@code torch.complex128}: two float64. */
    COMPLEX128(10, 16, Kind.COMPLEX),
    /** {@code torch.bool}. */
    BOOL(11, 1, Kind.BOOLEAN),
    /** {@code torch.qint8}. */
    QINT8(12, 1, Kind.QUANTIZED),
    /** {@code torch.quint8}. */
    QUINT8(13, 1, Kind.QUANTIZED),
    /** {@code torch.qint32}. */
    QINT32(14, 4, Kind.QUANTIZED),
    /** {@code torch.bfloat16}. */
    BFLOAT16(15, 2, Kind.FLOATING),
    /** {@code torch.quint4x2}: two elements a byte. */
    QUINT4X2(16, 1, Kind.QUANTIZED),
    /** {@code torch.quint2x4}: four elements a byte. */
    QUINT2X4(17, 1, Kind.QUANTIZED),
    /** {@code torch.bits1x8}. */
    BITS1X8(18, 1, Kind.BITS),
    /** {@code torch.bits2x4}. */
    BITS2X4(19, 1, Kind.BITS),
    /** {@code torch.bits4x2}. */
    BITS4X2(20, 1, Kind.BITS),
    /** {@code torch.bits8}. */
    BITS8(21, 1, Kind.BITS),
    /** {@code torch.bits16}. */
    BITS16(22, 2, Kind.BITS),
    /** {@code torch.float8_e5m2}. */
    FLOAT8_E5M2(23, 1, Kind.FLOATING),
    /** {@code torch.float8_e4m3fn}. */
    FLOAT8_E4M3FN(24, 1, Kind.FLOATING),
    /** {@code torch.float8_e5m2fnuz}. */
    FLOAT8_E5M2FNUZ(25, 1, Kind.FLOATING),
    /** {@code torch.float8_e4m3fnuz}. */
    FLOAT8_E4M3FNUZ(26, 1, Kind.FLOATING),
    /** {@code torch.uint16}. */
    UINT16(27, 2, Kind.INTEGER),
    /** {@code torch.uint32}. */
    UINT32(28, 4, Kind.INTEGER),
    /** {@code torch.uint64}. */
    UINT64(29, 8, Kind.INTEGER),
    /** {@code torch.float8_e8m0fnu}. */
    FLOAT8_E8M0FNU(44, 1, Kind.FLOATING),
    /** {@code torch.float4_e2m1fn_x2}: two values a byte, counted as one element. */
    FLOAT4_E2M1FN_X2(45, 1, Kind.FLOATING);

    private enum Kind { INTEGER, FLOATING, COMPLEX, BOOLEAN, QUANTIZED, BITS }

    private static final DType[] BY_NUMBER = new DType[64];

    static {
        for (DType type : values()) {
            BY_NUMBER[type.number] = type;
        }
    }

    private final int number;
    private final int itemsize;
    private final Kind kind;
    private final String torchName = name().toLowerCase(Locale.ROOT);

    DType(int number, int itemsize, Kind kind) {
        this.number = number;
        this.itemsize = itemsize;
        this.kind = kind;
    }

    /** torch's name without the {@code torch.} prefix: {@code "float32"}, {@code "bool"}. */
    public String torchName() {
        return torchName;
    }

    /** The number of the type as {@code c10::ScalarType}. */
    public int number() {
        return number;
    }

    /** Bytes per element as torch counts them; 1 for the packed types (see {@link #elementsPerItem}). */
    public int itemsize() {
        return itemsize;
    }

    /** Elements stored in one item: 2 for quint4x2, 4 for quint2x4, else 1. */
    public int elementsPerItem() {
        return this == QUINT4X2 ? 2 : this == QUINT2X4 ? 4 : 1;
    }

    /** Items that hold this many elements. */
    static long items(DType dtype, long elements) {
        int perItem = dtype.elementsPerItem();
        return elements / perItem + (elements % perItem == 0 ? 0 : 1);
    }

    /** {@code torch.dtype.is_floating_point}. */
    public boolean isFloatingPoint() {
        return kind == Kind.FLOATING;
    }

    /** {@code torch.dtype.is_complex}. */
    public boolean isComplex() {
        return kind == Kind.COMPLEX;
    }

    /** Whether elements are integers, signed or not; {@link #BOOL} is not. */
    public boolean isInteger() {
        return kind == Kind.INTEGER;
    }

    /** Whether elements stand for real numbers by a scale and a zero point. */
    public boolean isQuantized() {
        return kind == Kind.QUANTIZED;
    }

    /**
     * The type of torch's name, with or without {@code "torch."}; aliases such as {@code "half"} and {@code "long"}
     * are known.
     *
     * @throws IllegalArgumentException when there is none
     */
    public static DType parse(String text) {
        String name = text.startsWith("torch.") ? text.substring(6) : text;
        switch (name) {
            case "half": return FLOAT16;
            case "float": return FLOAT32;
            case "double": return FLOAT64;
            case "short": return INT16;
            case "int": return INT32;
            case "long": return INT64;
            case "chalf": return COMPLEX32;
            case "cfloat": return COMPLEX64;
            case "cdouble": return COMPLEX128;
            default: break;
        }
        for (DType type : values()) {
            if (type.torchName.equals(name)) {
                return type;
            }
        }
        throw new IllegalArgumentException("'" + text + "' is not a dtype of torch");
    }

    /**
     * The type with this {@code c10::ScalarType} number.
     *
     * @throws IllegalArgumentException when there is none
     */
    public static DType numbered(int scalarType) {
        DType type = scalarType >= 0 && scalarType < BY_NUMBER.length ? BY_NUMBER[scalarType] : null;
        if (type == null) {
            throw new IllegalArgumentException("no dtype has the number " + scalarType);
        }
        return type;
    }

    /** torch's name of the type, {@link #torchName}. */
    @Override
    public String toString() {
        return torchName;
    }
}
