package io.torchferry;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A path of the default file system as the operating system's bytes. {@link Path#toString} loses the bytes that the
 * locale's encoding cannot express, so a name that is not plain goes through the path's URI, which keeps every byte.
 */
final class PathBytes {

    private PathBytes() {
    }

    static byte[] of(Path path) {
        String text = path.toString();
        return isAscii(text) ? text.getBytes(StandardCharsets.US_ASCII) : decoded(path);
    }

    /** A loop, because it is on the way to every first answer, and setting up streams takes longer than opening a file. */
    private static boolean isAscii(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) == 0 || text.charAt(i) >= 0x80) {
                return false;
            }
        }
        return true;
    }

    private static byte[] decoded(Path path) {
        String raw = path.toUri().getRawPath();
        if (raw.length() > 1 && raw.endsWith("/")) {
            raw = raw.substring(0, raw.length() - 1);
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(raw.length());
        for (int i = 0; i < raw.length(); i++) {
            char c = raw.charAt(i);
            if (c == '%') {
                bytes.write(Integer.parseInt(raw, i + 1, i + 3, 16));
                i += 2;
            } else {
                bytes.write(c);
            }
        }
        return bytes.toByteArray();
    }
}
