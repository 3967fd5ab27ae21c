package io.torchferry;

import java.lang.ref.Cleaner;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Buffers on native memory that keep it alive. The cleaner watches the buffer that JNI made; every slice, duplicate
 * and typed view that is derived from it keeps that one reachable.
 */
final class Pinned {
    private static final Cleaner CLEANER = Cleaner.create();

    /** Makes a buffer, and puts into {@code pin[0]} what keeps its memory. */
    @FunctionalInterface
    interface Maker<E extends Exception> {
        ByteBuffer make(long[] pin) throws E;
    }

    private Pinned() {
    }

    static <E extends Exception> ByteBuffer writable(Maker<E> maker) throws E {
        long[] pin = new long[1];
        ByteBuffer buffer = maker.make(pin);
        if (buffer == null) {
            return ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);
        }
        CLEANER.register(buffer, release(pin[0]));
        return buffer.order(ByteOrder.LITTLE_ENDIAN);
    }

    static <E extends Exception> ByteBuffer readOnly(Maker<E> maker) throws E {
        return writable(maker).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Refers to the pin alone, never to the buffer. */
    private static Runnable release(long pin) {
        return () -> FormatNative.unpin(pin);
    }
}
