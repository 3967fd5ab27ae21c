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

    PackWriter i32(int value) {
        room(4).putInt(value);
        return this;
    }

    PackWriter i64(long value) {
        room(8).putLong(value);
        return this;
    }

    PackWriter string(String text) {
        byte[] bytes = Utf8.encode(text);
        room(4 + bytes.length).putInt(bytes.length).put(bytes);
        return this;
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
