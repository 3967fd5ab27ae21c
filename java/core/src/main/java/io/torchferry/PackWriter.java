package io.torchferry;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;

/** Writes what {@code native/jni/pack.h} reads; see {@link PackReader}. */
final class PackWriter {
    private ByteBuffer out = ByteBuffer.allocate(64).order(ByteOrder.nativeOrder());

    /** A path of the content. */
    static byte[] path(String... steps) {
        return new PackWriter().names(List.of(steps)).bytes();
    }

    PackWriter u8(int value) {
        room(1).put((byte) value);
        return this;
    }

    PackWriter f64(double value) {
        room(8).putDouble(value);
        return this;
    }

    /** All that another writer has. */
    PackWriter raw(PackWriter other) {
        int length = other.out.position();
        room(length).put(other.out.array(), 0, length);
        return this;
    }

    PackWriter bytes(byte[] bytes) {
        room(4 + bytes.length).putInt(bytes.length).put(bytes);
        return this;
    }

    PackWriter i32(int value) {
        room(4).putInt(value);
        return this;
    }

    PackWriter i64(long value) {
        room(8).putLong(value);
        return this;
    }

    PackWriter string(String text) {
        return bytes(Utf8.encode(text));
    }

    PackWriter names(List<String> names) {
        byte[][] all = new byte[names.size()][];
        int end = 0;
        i32(all.length);
        for (int i = 0; i < all.length; i++) {
            all[i] = Utf8.encode(names.get(i));
            end = Math.addExact(end, all[i].length);
            i32(end);
        }
        for (byte[] name : all) {
            room(name.length).put(name);
        }
        return this;
    }

    byte[] bytes() {
        return Arrays.copyOf(out.array(), out.position());
    }

    private ByteBuffer room(int more) {
        int needed = Math.addExact(out.position(), more);
        if (needed > out.capacity()) {
            int capacity = (int) Math.min(Integer.MAX_VALUE - 8L, Math.max(needed, 2L * out.capacity()));
            byte[] grown = Arrays.copyOf(out.array(), capacity);
            out = ByteBuffer.wrap(grown).order(ByteOrder.nativeOrder()).position(out.position());
        }
        return out;
    }
}
