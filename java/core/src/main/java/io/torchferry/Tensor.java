package io.torchferry;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.Objects;

/**
 * A tensor: a view that keeps its owner ({@link StateDict} or module) reachable. Sizes, strides and offsets are in
 * elements unless they say bytes.
 *
 * <p>Facts about it ({@link #dtype}, {@link #shape} and so on) can be asked for at any time; elements only while the
 * owner is open, else {@link IllegalStateException}. A buffer handed out pins its storage and stays valid whatever is
 * closed. Like {@code torch.Tensor}, elements can be changed through a buffer; doing so while others read them is a
 * race like any other.
 *
 * <p>A tensor that stands alone, from {@link #of}, {@link #to}, {@link #cast}, {@link #contiguous} or a module's
 * {@code forward}, is its own owner. It is freed when it becomes unreachable, or at once by {@link #close}.
 */
public final class Tensor implements AutoCloseable {
    private final TensorIndex owner;
    private final int index;

    Tensor(TensorIndex owner, int index) {
        this.owner = owner;
        this.index = index;
    }

    TensorIndex owner() {
        return owner;
    }

    int indexInOwner() {
        return index;
    }

    /**
     * A new CPU tensor with a copy of the values, in row-major order.
     *
     * @param shape the sizes; none: one dimension of all values
     * @throws IllegalArgumentException when the shape has another number of elements
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static Tensor of(float[] values, long... shape) {
        Tensor made = Tensors.empty(DType.FLOAT32, values.length, shape);
        Tensors.fill(made, 4, (buffer, first, n) -> buffer.asFloatBuffer().put(values, first, n));
        return made;
    }

    /** Like {@link #of(float[], long...)}, float64. */
    public static Tensor of(double[] values, long... shape) {
        Tensor made = Tensors.empty(DType.FLOAT64, values.length, shape);
        Tensors.fill(made, 8, (buffer, first, n) -> buffer.asDoubleBuffer().put(values, first, n));
        return made;
    }

    /** Like {@link #of(float[], long...)}, int64. */
    public static Tensor of(long[] values, long... shape) {
        Tensor made = Tensors.empty(DType.INT64, values.length, shape);
        Tensors.fill(made, 8, (buffer, first, n) -> buffer.asLongBuffer().put(values, first, n));
        return made;
    }

    /** Like {@link #of(float[], long...)}, int32. */
    public static Tensor of(int[] values, long... shape) {
        Tensor made = Tensors.empty(DType.INT32, values.length, shape);
        Tensors.fill(made, 4, (buffer, first, n) -> buffer.asIntBuffer().put(values, first, n));
        return made;
    }

    /** Like {@link #of(float[], long...)}, int8. */
    public static Tensor of(byte[] values, long... shape) {
        Tensor made = Tensors.empty(DType.INT8, values.length, shape);
        Tensors.fill(made, 1, (buffer, first, n) -> buffer.put(values, first, n));
        return made;
    }

    /** Like {@link #of(float[], long...)}, bool. */
    public static Tensor of(boolean[] values, long... shape) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) (values[i] ? 1 : 0);
        }
        Tensor made = Tensors.empty(DType.BOOL, bytes.length, shape);
        Tensors.fill(made, 1, (buffer, first, n) -> buffer.put(bytes, first, n));
        return made;
    }

    /**
     * A new CPU tensor with a copy of the buffer's remaining bytes: little-endian elements of {@code dtype} in
     * row-major order. The buffer's position stays where it is.
     *
     * @param shape the sizes; none: one dimension
     * @throws IllegalArgumentException when the bytes are not exactly the shape's elements
     */
    public static Tensor of(ByteBuffer elements, DType dtype, long... shape) {
        if (elements.remaining() % dtype.itemsize() != 0) {
            throw new IllegalArgumentException(elements.remaining() + " bytes are not a whole number of " + dtype
                    + " elements of " + dtype.itemsize() + " bytes");
        }
        Tensor made = Tensors.empty(dtype, elements.remaining() / dtype.itemsize(), shape);
        ByteBuffer from = elements.duplicate();
        Tensors.fill(made, 1, (buffer, first, n) -> buffer.put(from.slice(from.position() + first, n)));
        return made;
    }

    /** A new CPU tensor without dimensions: {@code torch.tensor(value, dtype=torch.float32)}. */
    public static Tensor scalar(float value) {
        Tensor made = Tensors.scalar(DType.FLOAT32);
        Tensors.fill(made, 4, (buffer, first, n) -> buffer.putFloat(0, value));
        return made;
    }

    /** A new CPU tensor without dimensions: {@code torch.tensor(value)}, int64. */
    public static Tensor scalar(long value) {
        Tensor made = Tensors.scalar(DType.INT64);
        Tensors.fill(made, 8, (buffer, first, n) -> buffer.putLong(0, value));
        return made;
    }

    /** The element type. */
    public DType dtype() {
        return owner.dtype(index);
    }

    /** Where the elements are. */
    public Device device() {
        return owner.device(index);
    }

    /** The sizes of the dimensions, a fresh array. */
    public long[] shape() {
        return owner.sizes(index);
    }

    /** The strides of the dimensions, a fresh array; empty for layouts that are not strided. */
    public long[] stride() {
        return owner.strides(index);
    }

    /** The first element's place in the storage. */
    public long storageOffset() {
        return owner.storageOffset(index);
    }

    /** Bytes that the elements take: {@link #numel} times the element size. */
    public long nbytes() {
        return owner.nbytes(index);
    }

    /** Number of elements. */
    public long numel() {
        return owner.numel(index);
    }

    /** How the elements are laid out. */
    public Layout layout() {
        return owner.layout(index);
    }

    /** {@code torch.Tensor.is_contiguous()}. */
    public boolean isContiguous() {
        return owner.flag(index, TensorIndex.CONTIGUOUS);
    }

    /** {@code torch.Tensor.requires_grad}. */
    public boolean requiresGrad() {
        return owner.flag(index, TensorIndex.REQUIRES_GRAD);
    }

    /**
     * Whether both are views of one storage, so that a change through one is seen through the other.
     *
     * @throws IllegalStateException when the owner of one is closed: its memory may be another's by now
     */
    public boolean sharesStorageWith(Tensor other) {
        owner.requireOpen();
        other.owner.requireOpen();
        long mine = owner.storageIdentity(index);
        return mine != 0 ? mine == other.owner.storageIdentity(other.index)
                : owner == other.owner && index == other.index;
    }

    /**
     * The elements in place, little-endian: no copy. Changing the buffer changes the tensor, never the file. It is
     * read-only where the elements lie in a direct buffer of the caller's: see {@link Checkpoint#open(ByteBuffer)}.
     *
     * @throws IllegalStateException when the owner is closed, or the tensor is not on the CPU or not contiguous (see
     *     {@link #to} and {@link #contiguous}), or beyond 2 GiB: see {@link #asByteBuffer(long, int)}
     */
    public ByteBuffer asByteBuffer() {
        if (nbytes() > Integer.MAX_VALUE) {
            throw new IllegalStateException("the tensor has " + nbytes()
                    + " bytes, more than one ByteBuffer can hold; ask for a part: asByteBuffer(offset, length)");
        }
        return asByteBuffer(0, (int) nbytes());
    }

    /**
     * {@code length} bytes of the elements in place, {@code offset} bytes from the first; otherwise like
     * {@link #asByteBuffer()}.
     *
     * @throws IndexOutOfBoundsException when the range is not inside the tensor
     */
    public ByteBuffer asByteBuffer(long offset, int length) {
        Objects.checkFromIndexSize(offset, length, nbytes());
        Tensors.requirePlain(this);
        return Pinned.writable(pin -> owner.use(pointer -> TorchNative.buffer(pointer, index, offset, length, pin)));
    }

    /**
     * Copies the elements, row-major and little-endian, from any device and with any strides, to the buffer's position,
     * which moves behind them. Quantized tensors: the integers. Sparse tensors: the dense form.
     *
     * @throws java.nio.BufferOverflowException when fewer than {@code numel() * itemsize} bytes remain
     */
    public void copyTo(ByteBuffer out) {
        Tensors.copy(this, out);
    }

    /** The bytes that {@link #copyTo} gives. */
    public byte[] toByteArray() {
        ByteBuffer out = ByteBuffer.allocate(Tensors.arrayLength(nbytesDense())).order(ByteOrder.LITTLE_ENDIAN);
        copyTo(out);
        return out.array();
    }

    private long nbytesDense() {
        return Math.multiplyExact(DType.items(dtype(), numel()), dtype().itemsize());
    }

    /**
     * The elements in row-major order, converted as {@code Tensor.to(torch.float32)} does: float16, bfloat16 and
     * float8 exactly, float64 and integers to the nearest. Quantized tensors are dequantized.
     *
     * @throws IllegalStateException for complex tensors
     */
    public float[] toFloatArray() {
        float[] out = new float[Tensors.arrayLength(numel())];
        Tensors.read(this, DType.FLOAT32, (buffer, first, n) -> buffer.asFloatBuffer().get(out, first, n));
        return out;
    }

    /**
     * The elements in row-major order as doubles: every real type exactly but int64 and uint64, which are rounded to
     * the nearest beyond 2^53. Quantized tensors are dequantized.
     *
     * @throws IllegalStateException for complex tensors
     */
    public double[] toDoubleArray() {
        double[] out = new double[Tensors.arrayLength(numel())];
        Tensors.read(this, DType.FLOAT64, (buffer, first, n) -> buffer.asDoubleBuffer().get(out, first, n));
        return out;
    }

    /**
     * The elements in row-major order as longs, exactly; bool gives 0 and 1.
     *
     * @throws IllegalStateException for tensors that are neither integer nor bool: cast first, which says how to round
     * @throws ArithmeticException for a uint64 beyond a long
     */
    public long[] toLongArray() {
        Tensors.requireIntegers(this);
        long[] out = new long[Tensors.arrayLength(numel())];
        Tensors.read(this, DType.INT64, (buffer, first, n) -> buffer.asLongBuffer().get(out, first, n));
        if (dtype() == DType.UINT64) {
            Tensors.requireNotNegative(out);
        }
        return out;
    }

    /**
     * Like {@link #toLongArray}, as ints.
     *
     * @throws ArithmeticException for a value that does not fit
     */
    public int[] toIntArray() {
        Tensors.requireIntegers(this);
        if (dtype().itemsize() == 8 || dtype() == DType.UINT32) {
            return Tensors.toIntsExactly(toLongArray());
        }
        int[] out = new int[Tensors.arrayLength(numel())];
        Tensors.read(this, DType.INT32, (buffer, first, n) -> buffer.asIntBuffer().get(out, first, n));
        return out;
    }

    /**
     * The one element as a double: {@code Tensor.item()}.
     *
     * @throws IllegalStateException when there is not exactly one
     */
    public double item() {
        Tensors.requireOne(this);
        return toDoubleArray()[0];
    }

    /**
     * The one element as a long, for integer and bool tensors.
     *
     * @throws IllegalStateException when there is not exactly one, or it is not an integer
     */
    public long itemAsLong() {
        Tensors.requireOne(this);
        return toLongArray()[0];
    }

    /** Updates a digest with the bytes that {@link #copyTo} gives. */
    public void digest(MessageDigest digest) {
        Tensors.digest(this, digest);
    }

    /**
     * The digest of the bytes that {@link #copyTo} gives, in lower-case hexadecimal.
     *
     * @param algorithm a name of {@link MessageDigest}: {@code "SHA-256"}
     * @throws IllegalArgumentException when there is no such algorithm
     */
    public String digest(String algorithm) {
        MessageDigest digest = Elements.digestNamed(algorithm);
        digest(digest);
        return Elements.hex(digest);
    }

    /** Whether both have the same type, shape and element bytes; NaNs with equal bits are equal. Any devices. */
    public boolean equalsBitwise(Tensor other) {
        return Tensors.equalBits(this, other);
    }

    /**
     * {@code Tensor.to(device)}: the tensor itself when it is there already, else a copy that stands alone.
     *
     * @throws DeviceUnavailableException when the device is not there
     * @throws DeviceOutOfMemoryException when its memory runs out
     */
    public Tensor to(Device device) {
        if (device.equals(device())) {
            return this;
        }
        byte[] name = Utf8.encode(device.toString());
        return Tensors.alone(owner.use(pointer -> TorchNative.tensorTo(pointer, index, name)));
    }

    /**
     * {@code Tensor.to(dtype)}: the tensor itself when it has the type already, else a converted copy on the same
     * device that stands alone.
     */
    public Tensor cast(DType dtype) {
        return dtype == dtype() ? this
                : Tensors.alone(owner.use(pointer -> TorchNative.tensorCast(pointer, index, dtype.number())));
    }

    /**
     * {@code Tensor.contiguous()} with conj and neg resolved: the tensor itself when it is so, else a copy that stands
     * alone.
     */
    public Tensor contiguous() {
        boolean asItIs = isContiguous() && !owner.flag(index, TensorIndex.LAZY_BITS);
        return asItIs ? this : Tensors.alone(owner.use(pointer -> TorchNative.contiguous(pointer, index)));
    }

    /**
     * Frees a tensor that stands alone; a view of a state dict or module is left as it is, so that closing any tensor
     * is safe. Closing twice is allowed.
     *
     * @throws IllegalStateException when another thread is inside a method of this tensor
     */
    @Override
    public void close() {
        if (owner.standsAlone()) {
            owner.close();
        }
    }

    /** For example {@code tensor(..., size=(64, 3, 7, 7), dtype=float32, device='cuda:0')}; elements are not read. */
    @Override
    public String toString() {
        return "tensor(..., size=" + PythonText.tuple(shape()) + ", dtype=" + dtype() + ", device='" + device() + "')";
    }
}
