package io.torchferry;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The tensors of one native state dict: their facts, read in place from what {@code native/jni/torch/pack_index.cpp}
 * wrote in one go, and the pointer for their elements. A tensor is an owner and a number, never a native object of its
 * own. Safe from any thread.
 */
final class TensorIndex {
    static final int REQUIRES_GRAD = 1;
    static final int PARAMETER = 2;
    static final int CONTIGUOUS = 4;
    /** The elements in row-major order are the bytes in memory: contiguous, strided, no conj or neg bit. */
    static final int PLAIN = 8;
    /** A conj or neg bit is set. */
    static final int LAZY_BITS = 16;

    private static final int ROW_BYTES = 48;

    /** What the owners of one native state dict have in common: the last that goes frees it. */
    private static final class Shared {
        final AtomicInteger owners = new AtomicInteger(1);
        volatile Reservation reservation;

        void leave(long pointer) {
            if (owners.decrementAndGet() > 0) {
                return;
            }
            TorchNative.destroy(pointer);
            Reservation held = reservation;
            if (held != null) {
                held.leave();
            }
        }
    }

    private final Handle handle;
    private final Shared shared;
    private final boolean standsAlone;
    private final ByteBuffer data;
    private final int count;
    private final int rows;
    private final int dims;
    private final Device[] devices;
    private final Names keys;
    private volatile Tensor[] tensors;
    private volatile int[] slots;

    private TensorIndex(Handle handle, Shared shared, boolean standsAlone, byte[] packed) {
        this.handle = handle;
        this.shared = shared;
        this.standsAlone = standsAlone;
        PackReader in = new PackReader(packed);
        data = in.table();
        count = in.i32();
        long dimCount = in.i64();
        rows = in.skip((long) ROW_BYTES * count);
        dims = in.skip(8 * dimCount);
        keys = in.names();
        devices = in.strings().stream().map(Device::parse).toArray(Device[]::new);
        tensors = new Tensor[count];
    }

    /** The same tensors for another owner. */
    private TensorIndex(TensorIndex other, Handle handle) {
        this.handle = handle;
        this.shared = other.shared;
        this.standsAlone = other.standsAlone;
        this.data = other.data;
        this.count = other.count;
        this.rows = other.rows;
        this.dims = other.dims;
        this.devices = other.devices;
        this.keys = other.keys;
        this.slots = other.slots;
    }

    /** Takes over a native state dict that its user closes. */
    static TensorIndex owned(long pointer, String name) {
        Shared shared = new Shared();
        return indexed(Handle.owning(name, pointer, shared::leave), shared, false);
    }

    /** Takes over a native state dict of one tensor that nobody else knows. */
    static TensorIndex alone(long pointer) {
        Shared shared = new Shared();
        return indexed(Handle.collected("Tensor", pointer, shared::leave), shared, true);
    }

    /** Another owner of the same native state dict, with nothing copied. */
    TensorIndex another(String name) {
        return handle.use(pointer -> {
            shared.owners.incrementAndGet();
            return new TensorIndex(this, Handle.owning(name, pointer, shared::leave));
        });
    }

    /** Has the last owner give a reservation back; this takes over one of its holders. Called once at most. */
    void reserved(Reservation reservation) {
        shared.reservation = reservation;
    }

    /** Null where there is none. */
    Reservation reservation() {
        return shared.reservation;
    }

    private static TensorIndex indexed(Handle handle, Shared shared, boolean standsAlone) {
        try {
            return new TensorIndex(handle, shared, standsAlone, handle.use(TorchNative::index));
        } catch (RuntimeException | Error e) {
            handle.close();
            throw e;
        }
    }

    boolean standsAlone() {
        return standsAlone;
    }

    Handle handle() {
        return handle;
    }

    <R, E extends Exception> R use(Handle.Use<R, E> work) throws E {
        return handle.use(work);
    }

    void requireOpen() {
        handle.requireOpen();
    }

    void close() {
        handle.close();
    }

    int size() {
        return count;
    }

    String key(int index) {
        return keys.get(index);
    }

    /** One object for each tensor, made when it is first asked for. Two threads may make two; they are alike. */
    Tensor tensor(int index) {
        Tensor[] made = tensors;
        if (made == null) {
            made = new Tensor[count];
            tensors = made;
        }
        Tensor tensor = made[index];
        if (tensor == null) {
            tensor = new Tensor(this, index);
            made[index] = tensor;
        }
        return tensor;
    }

    /** The number of a name, or -1. */
    int find(String key) {
        int[] table = slots;
        if (table == null) {
            table = hashed();
            slots = table;
        }
        for (int slot = spread(key) & table.length - 1; table[slot] != 0; slot = slot + 1 & table.length - 1) {
            if (keys.get(table[slot] - 1).equals(key)) {
                return table[slot] - 1;
            }
        }
        return -1;
    }

    /** Numbers of keys plus one, open addressing with linear probing, at most half full. */
    private int[] hashed() {
        int[] table = new int[Math.max(4, Integer.highestOneBit(Math.max(count, 1)) << 2)];
        for (int i = 0; i < count; i++) {
            int slot = spread(keys.get(i)) & table.length - 1;
            while (table[slot] != 0) {
                slot = slot + 1 & table.length - 1;
            }
            table[slot] = i + 1;
        }
        return table;
    }

    private static int spread(String key) {
        int hash = key.hashCode() * 0x9E3779B9;
        return hash ^ hash >>> 16;
    }

    private int at(int index, int field) {
        return rows + ROW_BYTES * index + field;
    }

    DType dtype(int index) {
        return DType.numbered(data.get(at(index, 0)));
    }

    Layout layout(int index) {
        return Layout.numbered(data.get(at(index, 1)));
    }

    boolean flag(int index, int flag) {
        return (data.get(at(index, 2)) & flag) != 0;
    }

    Device device(int index) {
        return devices[data.getInt(at(index, 4))];
    }

    long storageOffset(int index) {
        return data.getLong(at(index, 16));
    }

    long numel(int index) {
        return data.getLong(at(index, 24));
    }

    long nbytes(int index) {
        return data.getLong(at(index, 32));
    }

    /** Equal for views of one storage while both owners are alive; 0 where there is no storage. */
    long storageIdentity(int index) {
        return data.getLong(at(index, 40));
    }

    long[] sizes(int index) {
        return dims(data.getInt(at(index, 12)), data.getInt(at(index, 8)));
    }

    long[] strides(int index) {
        int dim = data.getInt(at(index, 8));
        return layout(index) == Layout.STRIDED ? dims(data.getInt(at(index, 12)) + dim, dim) : new long[0];
    }

    private long[] dims(int first, int dim) {
        long[] out = new long[dim];
        for (int i = 0; i < dim; i++) {
            out[i] = data.getLong(dims + 8 * (first + i));
        }
        return out;
    }
}
