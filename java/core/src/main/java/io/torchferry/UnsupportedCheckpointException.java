package io.torchferry;

/**
 * The file is sound and recognised, but is not something that can be read here. The message says what would.
 */
public final class UnsupportedCheckpointException extends CheckpointException {
    private static final long serialVersionUID = 1L;

    UnsupportedCheckpointException(String message, String file, String record, long offset) {
        super(message, file, record, offset);
    }
}
