package io.torchferry;

/**
 * The bytes break the format's own rules: truncated, damaged, or made to deceive.
 */
public final class CorruptCheckpointException extends CheckpointException {
    private static final long serialVersionUID = 1L;

    CorruptCheckpointException(String message, String file, String record, long offset) {
        super(message, file, record, offset);
    }
}
