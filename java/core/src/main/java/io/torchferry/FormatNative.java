package io.torchferry;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * The native methods that need no libtorch. Pointers are {@code torchferry::Checkpoint*}; callers hold them through
 * {@link Handle}. Text crosses as UTF-8 with lone surrogates as three bytes, structures as {@link PackReader} reads
 * them. Call {@link NativeLoader#format} first.
 */
final class FormatNative {

    private FormatNative() {
    }

    /** What both libraries must agree on to pass each other C++ objects. */
    static native byte[] buildId();

    static native byte[] version();

    /** Loads a library that is not ours, for the whole process and for ever; null, or the linker's message. */
    static native byte[] openLibrary(byte[] library);

    /** Number, name and item size of every element type, for the test that compares them with {@link DType}. */
    static native byte[] dtypes();

    static native long open(byte[] path, byte[] name, long[] options) throws IOException;

    /** {@code memory} is direct; it is kept reachable as long as anything uses its bytes. */
    static native long openMemory(ByteBuffer memory, byte[] name, long[] options) throws IOException;

    static native void close(long checkpoint);

    static native byte[] describe(long checkpoint);

    static native long saveCount(long checkpoint) throws IOException;

    static native byte[] opaqueGlobals(long checkpoint);

    static native byte[] table(long checkpoint);

    static native byte[] entries(long checkpoint, byte[] path);

    static native byte[] value(long checkpoint, byte[] path) throws IOException;

    /** {@code null} where there is none. */
    static native byte[] metadata(long checkpoint, byte[] path) throws IOException;

    /**
     * {@code pin[0]} becomes what keeps the bytes; {@code pin} may be null when the buffer does not outlive the call.
     * Null for a length of 0.
     */
    static native ByteBuffer bytes(long checkpoint, int row, long offset, int length, long[] pin) throws IOException;

    static native void unpin(long pin);

    /** {@code out} is direct. */
    static native void readElements(long checkpoint, int row, long first, ByteBuffer out, int offset, int length)
            throws IOException;

    /** The plan on a machine without libtorch. */
    static native byte[] plan(long checkpoint, byte[] path, int[] selected, byte[] options) throws IOException;

    static native byte[] stateDictPlaces(long checkpoint);

    /** {@code progress}: of {@link #progressCreate}, or 0. */
    static native byte[] verify(long checkpoint, int threads, long progress) throws IOException;

    static native boolean comparable(long checkpoint, int row, long other, int otherRow);

    static native byte[] compare(long checkpoint, int row, long other, int otherRow, double relative, double absolute)
            throws IOException;

    /** Asks the system to forget the pages of the file that it holds in memory. */
    static native void evict(byte[] path) throws IOException;

    /** What both libraries count their bytes in. */
    static native long progressCreate();

    static native long progressDone(long progress);

    static native long progressTotal(long progress);

    static native void progressCancel(long progress);

    static native void progressDestroy(long progress);

    /** A temporary file without a name. */
    static native long spoolCreate(byte[] folder) throws IOException;

    /** The first {@code length} bytes of a direct buffer. */
    static native void spoolWrite(long spool, ByteBuffer bytes, int length) throws IOException;

    /** Opens the file as long as the spool is there. */
    static native byte[] spoolPath(long spool);

    static native void spoolDestroy(long spool);
}
