package io.torchferry;

/**
 * A placement names a device that is not there. The message is PyTorch's, with what to pass instead.
 */
public final class DeviceUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    DeviceUnavailableException(String message) {
        super(message);
    }
}
