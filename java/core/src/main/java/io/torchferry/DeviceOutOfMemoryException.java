package io.torchferry;

/**
 * The memory of a device, or of the host, ran out. Everything that the operation had taken was given back.
 */
public final class DeviceOutOfMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    DeviceOutOfMemoryException(String message) {
        super(message);
    }
}
