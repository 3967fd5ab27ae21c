package io.torchferry;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A tensor as the file describes it: nothing of it was read. Immutable, and usable after its {@link Checkpoint} is
 * closed. Sizes, strides and offsets are in elements unless they say bytes.
 */
public final class TensorInfo {
    private final TensorTable table;
    private final String key;
    private final int row;

    TensorInfo(TensorTable table, String key, int row) {
        this.table = table;
        this.key = key;
        this.row = row;
    }

    TensorTable table() {
        return table;
    }

    /** The tensor's number in the file: two names of one tensor have the same. */
    int row() {
        return row;
    }

    /**
     * The path through the content joined with {@code '.'}, relative to where it was asked for; "" for a bare tensor.
     * For a tensor found through a {@link Value}: its first name in the whole content, or "" where it has none.
     */
    public String key() {
        return key;
    }

    /** The element type. */
    public DType dtype() {
        return table.dtype(row);
    }

    /** The sizes of the dimensions, a fresh array. */
    public long[] shape() {
        return table.sizes(row);
    }

    /** The strides of the dimensions, a fresh array. */
    public long[] stride() {
        return table.strides(row);
    }

    /** The first element's place in the storage. */
    public long storageOffset() {
        return table.storageOffset(row);
    }

    /** The device it was saved on, as written in the file: {@code "cuda:0"}. */
    public String location() {
        return table.location(row);
    }

    /** Bytes that the elements take; for sparse and nested tensors, those of all {@link #parts}. */
    public long nbytes() {
        return table.nbytes(row);
    }

    /** Number of elements: the product of the sizes. */
    public long numel() {
        return table.numel(row);
    }

    /** {@code torch.Tensor.is_contiguous()}; {@code false} for layouts that are not strided. */
    public boolean isContiguous() {
        return table.flag(row, TensorTable.CONTIGUOUS);
    }

    /** {@code torch.Tensor.requires_grad} as saved. */
    public boolean requiresGrad() {
        return table.flag(row, TensorTable.REQUIRES_GRAD);
    }

    /** Whether it was saved as a {@code torch.nn.Parameter}. */
    public boolean isParameter() {
        return table.flag(row, TensorTable.PARAMETER);
    }

    /** Whether it was saved as a {@code torch.nn.Buffer}. */
    public boolean isBuffer() {
        return table.flag(row, TensorTable.BUFFER);
    }

    /** Whether the elements stand for their complex conjugates ({@code torch.Tensor.is_conj()}). */
    public boolean isConj() {
        return table.flag(row, TensorTable.CONJ);
    }

    /** Whether the elements stand for their negatives ({@code torch.Tensor.is_neg()}). */
    public boolean isNeg() {
        return table.flag(row, TensorTable.NEG);
    }

    /**
     * Whether the elements, in row-major order, are one range of the file's bytes as they stand, so that
     * {@link Checkpoint#bytes} can hand them out.
     */
    public boolean isPlainRange() {
        return table.flag(row, TensorTable.PLAIN);
    }

    /** How the elements are laid out. */
    public Layout layout() {
        return table.layout(row);
    }

    /** How integers stand for real numbers, for quantized tensors. */
    public Optional<Quantization> quantization() {
        return table.quantization(row);
    }

    /**
     * The components of a tensor that is made of others. COO: indices, values. CSR, CSC, BSR, BSC: compressed indices,
     * plain indices, values. Nested: buffer, sizes, strides, offsets. Per-channel quantized: scales, zero points.
     */
    public List<TensorInfo> parts() {
        return table.parts(row);
    }

    /** The number of its storage in the checkpoint; tensors with equal ones share memory. -1 where it has none. */
    public int storageIndex() {
        return table.storage(row);
    }

    /**
     * The key of its storage as written in the file, or "" where it has none. In a checkpoint of several files with the
     * file's name and a slash before it; of a distributed checkpoint the tensor's name.
     */
    public String storageKey() {
        return table.storageKey(row);
    }

    /** Bytes of the whole storage in memory; 0 where it has none. */
    public long storageBytes() {
        return table.storageBytes(row);
    }

    /** {@code torch.Tensor.untyped_storage()} of both is the same. */
    public boolean sharesStorageWith(TensorInfo other) {
        return table == other.table && storageIndex() >= 0 && storageIndex() == other.storageIndex();
    }

    /**
     * In a checkpoint of several files, the one that holds its storage, as messages call it; empty for a checkpoint that
     * is one file, and where the storage is put together from pieces.
     */
    public Optional<String> file() {
        return table.file(row);
    }

    /** The first element's place in bytes from the start of its {@link #file}; empty where it does not stand there as it is. */
    public OptionalLong fileOffset() {
        return table.fileOffset(row);
    }

    /** Why this tensor cannot be loaded though the file is sound; empty where it can. */
    public Optional<String> unsupportedReason() {
        return table.unsupportedReason(row);
    }

    /** Same tensor of the same opened checkpoint, under the same name. */
    @Override
    public boolean equals(Object other) {
        return other instanceof TensorInfo info && info.table == table && info.row == row && info.key.equals(key);
    }

    @Override
    public int hashCode() {
        return 31 * row + key.hashCode();
    }

    /** For example {@code conv1.weight: float32 [64, 3, 7, 7] at cuda:0}. */
    @Override
    public String toString() {
        return (key.isEmpty() ? "" : key + ": ") + dtype() + " " + Arrays.toString(shape()) + " at " + location();
    }
}
