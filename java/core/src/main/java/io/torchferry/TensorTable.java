package io.torchferry;

import java.nio.ByteBuffer;
import java.util.AbstractList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.RandomAccess;

/** A checkpoint's tensors and storages, read in place from what {@code native/jni/format/pack_table.cpp} wrote. */
final class TensorTable {
    static final int REQUIRES_GRAD = 1;
    static final int PARAMETER = 2;
    static final int BUFFER = 4;
    static final int CONJ = 8;
    static final int NEG = 16;
    static final int CONTIGUOUS = 32;
    static final int PLAIN = 64;

    private static final int ROW_BYTES = 88;
    private static final int STORAGE_BYTES = 28;

    private final Handle checkpoint;
    private final ByteBuffer data;
    private final int tensorCount;
    private final int rows;
    private final int storages;
    private final int parts;
    private final int dims;
    private final Names locations;
    private final Names messages;
    private final Names storageKeys;
    private final Names firstKeys;
    private final Names files;

    /** {@code checkpoint}: whose tensors these are. */
    TensorTable(byte[] packed, Handle checkpoint) {
        this.checkpoint = checkpoint;
        PackReader in = new PackReader(packed);
        data = in.table();
        tensorCount = in.i32();
        int storageCount = in.i32();
        int partCount = in.i32();
        long dimCount = in.i64();
        rows = in.skip((long) ROW_BYTES * tensorCount);
        storages = in.skip((long) STORAGE_BYTES * storageCount);
        parts = in.skip(4L * partCount);
        dims = in.skip(8 * dimCount);
        locations = in.names();
        messages = in.names();
        storageKeys = in.names();
        firstKeys = in.names();
        files = in.names();
    }

    /** The opened checkpoint, for those who need the bytes; perhaps closed by now. */
    Handle checkpoint() {
        return checkpoint;
    }

    /** The tensor of a row under its first name. */
    TensorInfo info(int row) {
        return new TensorInfo(this, firstKeys.get(row), row);
    }

    /** Named rows, as {@code FormatNative.entries} gives them. */
    List<TensorInfo> entries(byte[] packed) {
        PackReader in = new PackReader(packed);
        int count = in.i32();
        return new Entries(this, in.table(), in.skip(4L * count), in.names());
    }

    private static final class Entries extends AbstractList<TensorInfo> implements RandomAccess {
        private final TensorTable table;
        private final ByteBuffer data;
        private final int rows;
        private final Names keys;

        Entries(TensorTable table, ByteBuffer data, int rows, Names keys) {
            this.table = table;
            this.data = data;
            this.rows = rows;
            this.keys = keys;
        }

        @Override
        public TensorInfo get(int index) {
            java.util.Objects.checkIndex(index, keys.count());
            return new TensorInfo(table, keys.get(index), data.getInt(rows + 4 * index));
        }

        @Override
        public int size() {
            return keys.count();
        }
    }

    private int at(int row, int field) {
        return rows + ROW_BYTES * row + field;
    }

    DType dtype(int row) {
        return DType.numbered(data.get(at(row, 0)));
    }

    Layout layout(int row) {
        return Layout.numbered(data.get(at(row, 1)));
    }

    boolean flag(int row, int flag) {
        return (data.getInt(at(row, 4)) & flag) != 0;
    }

    int storage(int row) {
        return data.getInt(at(row, 8));
    }

    String location(int row) {
        return locations.get(data.getInt(at(row, 12)));
    }

    long storageOffset(int row) {
        return data.getLong(at(row, 16));
    }

    long numel(int row) {
        return data.getLong(at(row, 24));
    }

    long nbytes(int row) {
        return data.getLong(at(row, 32));
    }

    Optional<Quantization> quantization(int row) {
        int scheme = data.get(at(row, 2));
        return scheme == 0 ? Optional.empty() : Optional.of(new Quantization(Quantization.Scheme.values()[scheme - 1],
                data.getDouble(at(row, 40)), data.getLong(at(row, 48)), data.getLong(at(row, 56))));
    }

    long[] sizes(int row) {
        return dims(row, 0);
    }

    long[] strides(int row) {
        return dims(row, 1);
    }

    private long[] dims(int row, int which) {
        long[] out = new long[data.getInt(at(row, 64))];
        int first = data.getInt(at(row, 68)) + which * out.length;
        for (int i = 0; i < out.length; i++) {
            out[i] = data.getLong(dims + 8 * (first + i));
        }
        return out;
    }

    List<TensorInfo> parts(int row) {
        TensorInfo[] out = new TensorInfo[data.getInt(at(row, 76))];
        for (int i = 0; i < out.length; i++) {
            out[i] = info(data.getInt(parts + 4 * (data.getInt(at(row, 72)) + i)));
        }
        return List.of(out);
    }

    Optional<String> unsupportedReason(int row) {
        int message = data.getInt(at(row, 80));
        return message < 0 ? Optional.empty() : Optional.of(messages.get(message));
    }

    String storageKey(int row) {
        return storage(row) < 0 ? "" : storageKeys.get(storage(row));
    }

    long storageBytes(int row) {
        return storage(row) < 0 ? 0 : data.getLong(storages + STORAGE_BYTES * storage(row));
    }

    OptionalLong fileOffset(int row) {
        int at = storages + STORAGE_BYTES * storage(row);
        if (storage(row) < 0 || data.getInt(at + 20) == 0) {
            return OptionalLong.empty();
        }
        return OptionalLong.of(data.getLong(at + 8) + storageOffset(row) * dtype(row).itemsize());
    }

    /** Of a checkpoint of several files, where the storage is whole in one of them. */
    Optional<String> file(int row) {
        int file = storage(row) < 0 ? -1 : data.getInt(storages + STORAGE_BYTES * storage(row) + 24);
        return file < 0 || files.count() == 0 ? Optional.empty() : Optional.of(files.get(file));
    }

    /** A storage by its number. */
    String keyOfStorage(int storage) {
        return storageKeys.get(storage);
    }

    String locationOfStorage(int storage) {
        return locations.get(data.getInt(storages + STORAGE_BYTES * storage + 16));
    }

    long bytesOfStorage(int storage) {
        return data.getLong(storages + STORAGE_BYTES * storage);
    }
}
