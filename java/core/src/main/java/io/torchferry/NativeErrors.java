package io.torchferry;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.CancellationException;

/** The one table from errors of the C++ code to Java's exceptions; called by the bridge. */
final class NativeErrors {

    private NativeErrors() {
    }

    /**
     * The exception to throw.
     *
     * @param code {@code torchferry::ErrorCode}, or -1 for an exception of libtorch's or the C++ library's
     * @param whole the message with its place
     * @param message the message alone
     * @param offset -1: not known
     * @param reads whether the native method declares {@link IOException}
     * @param keys for incompatible keys: two lists of names; else null
     */
    static Throwable make(int code, byte[] whole, byte[] message, byte[] file, byte[] record, long offset,
            boolean reads, byte[] keys) {
        String text = Utf8.decode(whole);
        String plain = Utf8.decode(message);
        // In the order of torchferry::ErrorCode.
        switch (code) {
            case 5:
                return new DeviceUnavailableException(plain);
            case 6:
                PackReader lists = new PackReader(keys);
                return new IncompatibleKeysException(plain, new IncompatibleKeys(lists.strings(), lists.strings()));
            case 7:
                return new IllegalArgumentException(plain);
            case 8:
                return new DeviceOutOfMemoryException(text);
            case 9:
                return new CancellationException(text);
            default:
                break;
        }
        if (code < 0 || code > 9) {
            return new TorchException(text);
        }
        if (!reads && code == 2) {
            return new UnsupportedOperationException(text);
        }
        IOException broken = ofFile(code, text, Utf8.decode(file), Utf8.decode(record), offset);
        return reads ? broken : new UncheckedIOException(broken);
    }

    private static CheckpointException ofFile(int code, String text, String file, String record, long offset) {
        return switch (code) {
            case 0 -> new CorruptCheckpointException(text, file, record, offset);
            case 1 -> new UnsafeCheckpointException(text, file, record, offset);
            case 2 -> new UnsupportedCheckpointException(text, file, record, offset);
            case 3 -> new LimitExceededException(text, file, record, offset);
            default -> new CheckpointException(text, file, record, offset);
        };
    }
}
