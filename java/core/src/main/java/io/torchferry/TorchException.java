package io.torchferry;

/**
 * libtorch refused an operation; the message is its own.
 */
public final class TorchException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    TorchException(String message) {
        super(message);
    }
}
