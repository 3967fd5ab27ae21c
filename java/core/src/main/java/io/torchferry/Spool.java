package io.torchferry;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A temporary file without a name in {@code java.io.tmpdir}: nothing is left of it, however the process ends. Files
 * opened on {@link #path} keep its bytes. Used by one thread.
 */
final class Spool implements AutoCloseable {
    private final long pointer;

    private Spool(long pointer) {
        this.pointer = pointer;
    }

    static Spool create() throws IOException {
        NativeLoader.format();
        return new Spool(FormatNative.spoolCreate(Utf8.encode(System.getProperty("java.io.tmpdir"))));
    }

    /** Appends the bytes from a direct buffer's start to its limit. */
    void write(ByteBuffer bytes) throws IOException {
        FormatNative.spoolWrite(pointer, bytes, bytes.limit());
    }

    /** Opens the file until this is closed. */
    byte[] path() {
        return FormatNative.spoolPath(pointer);
    }

    @Override
    public void close() {
        FormatNative.spoolDestroy(pointer);
    }
}
