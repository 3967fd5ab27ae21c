package io.torchferry;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads what {@code native/jni/pack.h} writes: numbers in the machine's byte order, strings as a length and UTF-8,
 * lists of strings as {@link Names}.
 */
final class PackReader {
    private final byte[] data;
    private final ByteBuffer in;

    PackReader(byte[] data) {
        this.data = data;
        this.in = ByteBuffer.wrap(data).order(ByteOrder.nativeOrder());
    }

    int u8() {
        return in.get() & 0xFF;
    }

    int i32() {
        return in.getInt();
    }

    long i64() {
        return in.getLong();
    }

    double f64() {
        return in.getDouble();
    }

    byte[] bytes() {
        byte[] bytes = new byte[in.getInt()];
        in.get(bytes);
        return bytes;
    }

    String string() {
        int length = in.getInt();
        String text = Utf8.decode(data, in.position(), length);
        in.position(in.position() + length);
        return text;
    }

    long[] longs() {
        long[] longs = new long[in.getInt()];
        for (int i = 0; i < longs.length; i++) {
            longs[i] = in.getLong();
        }
        return longs;
    }

    /** The position, for tables that are read in place, and moves it behind {@code bytes} bytes. */
    int skip(long bytes) {
        int at = in.position();
        in.position(Math.toIntExact(at + bytes));
        return at;
    }

    /** The whole data for reading in place. */
    ByteBuffer table() {
        return in;
    }

    Names names() {
        int count = in.getInt();
        int ends = skip(4L * count);
        int length = count == 0 ? 0 : in.getInt(ends + 4 * (count - 1));
        return new Names(in, data, count, ends, skip(length));
    }

    List<String> strings() {
        Names names = names();
        List<String> strings = new ArrayList<>(names.count());
        for (int i = 0; i < names.count(); i++) {
            strings.add(names.get(i));
        }
        return java.util.Collections.unmodifiableList(strings);
    }
}
