package io.torchferry;

import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;

/** How elements get between Java arrays and native tensors: windows on native memory and one copy. */
final class Tensors {
    /** Bytes of a window; a multiple of every element size. */
    private static final int WINDOW = 1 << 28;

    /** Moves {@code n} elements between a window and an array, from element {@code first} of the tensor. */
    @FunctionalInterface
    interface Move {
        void window(ByteBuffer window, int first, int n);
    }

    /** Work with several tensors of any owners. */
    @FunctionalInterface
    interface UseAll<R> {
        R with(long[] dicts, int[] indices);
    }

    private Tensors() {
    }

    static Tensor alone(long dict) {
        return TensorIndex.alone(dict).tensor(0);
    }

    static List<Tensor> aloneAll(long[] dicts) {
        List<Tensor> tensors = new ArrayList<>(dicts.length);
        for (long dict : dicts) {
            tensors.add(alone(dict));
        }
        return tensors;
    }

    /** A new dict of these tensors. */
    static long gather(List<Tensor> tensors, List<String> names) {
        NativeLoader.torch();
        byte[] keys = new PackWriter().names(names).bytes();
        return useAll(tensors, (dicts, indices) -> TorchNative.of(dicts, indices, keys));
    }

    /** Does work while the owners of all tensors stay open. */
    static <R> R useAll(List<Tensor> tensors, UseAll<R> work) {
        Handle[] owners = tensors.stream().map(tensor -> tensor.owner().handle()).toArray(Handle[]::new);
        int[] indices = tensors.stream().mapToInt(Tensor::indexInOwner).toArray();
        return Handle.useAll(owners, dicts -> work.with(dicts, indices));
    }

    static Tensor empty(DType dtype, long count, long... shape) {
        NativeLoader.torch();
        long[] sizes = shape.length == 0 ? new long[] {count} : shape;
        long product = 1;
        boolean none = false;
        for (long size : sizes) {
            if (size < 0) {
                throw new IllegalArgumentException("a size must not be negative: " + PythonText.tuple(sizes));
            }
            none |= size == 0;
        }
        for (long size : sizes) {
            product = none ? 0 : multiplied(product, size, sizes);
        }
        if (product != count) {
            throw new IllegalArgumentException("the shape " + PythonText.tuple(sizes) + " has " + product
                    + " elements, the data " + count);
        }
        return alone(TorchNative.empty(dtype.number(), sizes));
    }

    private static long multiplied(long product, long size, long[] sizes) {
        try {
            return Math.multiplyExact(product, size);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("the shape " + PythonText.tuple(sizes) + " has too many elements", e);
        }
    }

    static Tensor scalar(DType dtype) {
        NativeLoader.torch();
        return alone(TorchNative.empty(dtype.number(), new long[0]));
    }

    /** Fills a new tensor; {@code unit} is the bytes that {@code Move} counts as one. */
    static void fill(Tensor made, int unit, Move move) {
        windows(made.owner(), made.indexInOwner(), made.nbytes(), unit, move);
    }

    /** Reads all elements, converted, row-major. */
    static void read(Tensor tensor, DType as, Move move) {
        if (tensor.dtype().isComplex()) {
            throw new IllegalStateException("the tensor is " + tensor.dtype()
                    + "; its real and imaginary parts are in toByteArray()");
        }
        boolean direct = tensor.dtype() == as && isPlain(tensor);
        withElements(tensor, direct ? null : as, (owner, index) ->
                windows(owner, index, owner.nbytes(index), as.itemsize(), move));
    }

    static void copy(Tensor tensor, ByteBuffer out) {
        withElements(tensor, null, (owner, index) -> {
            if (owner.nbytes(index) > out.remaining()) {
                throw new BufferOverflowException();
            }
            windows(owner, index, owner.nbytes(index), 1, (window, first, n) -> out.put(window));
        });
    }

    static void digest(Tensor tensor, MessageDigest digest) {
        withElements(tensor, null, (owner, index) ->
                bigWindows(owner, index, owner.nbytes(index), (window, first) -> digest.update(window)));
    }

    static boolean equalBits(Tensor one, Tensor other) {
        if (one.dtype() != other.dtype() || !java.util.Arrays.equals(one.shape(), other.shape())) {
            return false;
        }
        boolean[] equal = {true};
        withElements(one, null, (a, i) -> withElements(other, null, (b, j) -> {
            equal[0] = a.nbytes(i) == b.nbytes(j);
            if (equal[0]) {
                b.use(pointer -> {
                    bigWindows(a, i, a.nbytes(i), (window, first) -> equal[0] = equal[0] && window.equals(
                            TorchNative.buffer(pointer, j, first, window.remaining(), null)));
                    return null;
                });
            }
        }));
        return equal[0];
    }

    @FunctionalInterface
    private interface OnElements {
        void with(TensorIndex owner, int index);
    }

    /** Works on the tensor itself where its memory is what is wanted, else on a copy that is freed afterwards. */
    private static void withElements(Tensor tensor, DType as, OnElements work) {
        if (as == null && isPlain(tensor)) {
            work.with(tensor.owner(), tensor.indexInOwner());
            return;
        }
        int dtype = as == null ? -1 : as.number();
        try (Tensor copy = alone(tensor.owner().use(
                pointer -> TorchNative.elements(pointer, tensor.indexInOwner(), dtype)))) {
            work.with(copy.owner(), 0);
        }
    }

    private static boolean isPlain(Tensor tensor) {
        return tensor.device().isCpu() && tensor.owner().flag(tensor.indexInOwner(), TensorIndex.PLAIN);
    }

    @FunctionalInterface
    private interface OnWindow {
        void with(ByteBuffer window, long firstByte);
    }

    private static void bigWindows(TensorIndex owner, int index, long bytes, OnWindow work) {
        owner.use(pointer -> {
            for (long at = 0; at < bytes; at += WINDOW) {
                int n = (int) Math.min(bytes - at, WINDOW);
                // The buffer ends with this use, which keeps its memory: no pin.
                work.with(TorchNative.buffer(pointer, index, at, n, null).order(ByteOrder.LITTLE_ENDIAN), at);
            }
            return null;
        });
    }

    private static void windows(TensorIndex owner, int index, long bytes, int unit, Move move) {
        bigWindows(owner, index, bytes, (window, at) ->
                move.window(window, Math.toIntExact(at / unit), window.remaining() / unit));
    }

    static void requirePlain(Tensor tensor) {
        if (!tensor.device().isCpu()) {
            throw new IllegalStateException("the tensor is on " + tensor.device()
                    + "; use to(Device.cpu()) first, or copyTo(buffer)");
        }
        if (!isPlain(tensor)) {
            throw new IllegalStateException("the elements do not lie one after the other (" + tensor.layout()
                    + ", strides " + PythonText.tuple(tensor.stride()) + "); use contiguous() first, "
                    + "or copyTo(buffer)");
        }
    }

    static int arrayLength(long count) {
        if (count > Integer.MAX_VALUE - 8) {
            throw new IllegalStateException("no Java array holds " + count
                    + " elements; read parts with asByteBuffer(offset, length)");
        }
        return (int) count;
    }

    static void requireIntegers(Tensor tensor) {
        if (!tensor.dtype().isInteger() && tensor.dtype() != DType.BOOL) {
            throw new IllegalStateException("the tensor is " + tensor.dtype()
                    + ", not integers; cast(DType.INT64) rounds towards zero");
        }
    }

    static void requireOne(Tensor tensor) {
        if (tensor.numel() != 1) {
            throw new IllegalStateException("a tensor of " + tensor.numel() + " elements cannot be one number");
        }
    }

    static void requireNotNegative(long[] values) {
        for (long value : values) {
            if (value < 0) {
                throw new ArithmeticException("a uint64 beyond a long: " + Long.toUnsignedString(value));
            }
        }
    }

    static int[] toIntsExactly(long[] values) {
        int[] out = new int[values.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = Math.toIntExact(values[i]);
        }
        return out;
    }
}
