package io.torchferry;

import java.nio.ByteBuffer;

/** Strings packed behind each other, each decoded when it is first asked for. Safe from any thread. */
final class Names {
    private final ByteBuffer table;
    private final byte[] data;
    private final int ends;
    private final int text;
    private final String[] decoded;

    Names(ByteBuffer table, byte[] data, int count, int ends, int text) {
        this.table = table;
        this.data = data;
        this.ends = ends;
        this.text = text;
        this.decoded = new String[count];
    }

    int count() {
        return decoded.length;
    }

    String get(int index) {
        String name = decoded[index];
        if (name == null) {
            int start = index == 0 ? 0 : table.getInt(ends + 4 * (index - 1));
            int end = table.getInt(ends + 4 * index);
            name = Utf8.decode(data, text + start, end - start);
            decoded[index] = name;
        }
        return name;
    }
}
