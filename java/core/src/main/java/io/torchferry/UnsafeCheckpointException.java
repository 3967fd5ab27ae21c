package io.torchferry;

/**
 * The file asks for code to be run, and the caller asked for weights only. The message names the class or
 * function.
 */
public final class UnsafeCheckpointException extends CheckpointException {
    private static final long serialVersionUID = 1L;

    UnsafeCheckpointException(String message, String file, String record, long offset) {
        super(message, file, record, offset);
    }
}
