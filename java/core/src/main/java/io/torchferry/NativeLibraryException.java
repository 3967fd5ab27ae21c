package io.torchferry;

import java.util.List;

/**
 * A native library, Torchferry's own or libtorch, could not be loaded. The message lists every attempt with its
 * error, and the property to set.
 */
public final class NativeLibraryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient List<String> attempts;

    NativeLibraryException(String message, List<String> attempts) {
        super(message);
        this.attempts = List.copyOf(attempts);
    }

    /** What was tried, each with its outcome. */
    public List<String> attempts() {
        return attempts == null ? List.of() : attempts;
    }
}
