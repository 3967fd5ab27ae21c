package io.torchferry;

import java.nio.charset.StandardCharsets;

/**
 * Text between Java and C++: UTF-8 in which lone surrogates, which Python strings and Java strings can hold, are three
 * bytes each (Python's {@code surrogatepass}), so that every string survives the way and back.
 */
final class Utf8 {

    private Utf8() {
    }

    static String decode(byte[] bytes) {
        return decode(bytes, 0, bytes.length);
    }

    static String decode(byte[] bytes, int offset, int length) {
        for (int i = offset; i < offset + length - 1; i++) {
            if (bytes[i] == (byte) 0xED && (bytes[i + 1] & 0xE0) == 0xA0) {
                return decodeSurrogates(bytes, offset, length);
            }
        }
        return new String(bytes, offset, length, StandardCharsets.UTF_8);
    }

    private static String decodeSurrogates(byte[] bytes, int offset, int length) {
        StringBuilder text = new StringBuilder(length);
        int plain = offset;
        int end = offset + length;
        for (int i = offset; i < end; i++) {
            boolean surrogate = bytes[i] == (byte) 0xED && i + 2 < end && (bytes[i + 1] & 0xE0) == 0xA0
                    && (bytes[i + 2] & 0xC0) == 0x80;
            if (surrogate) {
                text.append(new String(bytes, plain, i - plain, StandardCharsets.UTF_8));
                text.append((char) (0xD000 | (bytes[i + 1] & 0x3F) << 6 | bytes[i + 2] & 0x3F));
                i += 2;
                plain = i + 1;
            }
        }
        return text.append(new String(bytes, plain, end - plain, StandardCharsets.UTF_8)).toString();
    }

    static byte[] encode(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                return encodeSurrogates(text);
            }
        }
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] encodeSurrogates(String text) {
        byte[] bytes = new byte[3 * text.length()];
        int n = 0;
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            i += Character.charCount(c);
            if (c < 0x80) {
                bytes[n++] = (byte) c;
            } else if (c < 0x800) {
                bytes[n++] = (byte) (0xC0 | c >> 6);
                bytes[n++] = (byte) (0x80 | c & 0x3F);
            } else {
                if (c < 0x10000) {
                    bytes[n++] = (byte) (0xE0 | c >> 12);
                } else {
                    bytes[n++] = (byte) (0xF0 | c >> 18);
                    bytes[n++] = (byte) (0x80 | c >> 12 & 0x3F);
                }
                bytes[n++] = (byte) (0x80 | c >> 6 & 0x3F);
                bytes[n++] = (byte) (0x80 | c & 0x3F);
            }
        }
        return java.util.Arrays.copyOf(bytes, n);
    }
}
