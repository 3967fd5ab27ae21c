package io.torchferry;

/**
 * A limit of {@link Limits} was passed; the message names it.
 */
public final class LimitExceededException extends CheckpointException {
    private static final long serialVersionUID = 1L;

    LimitExceededException(String message, String file, String record, long offset) {
        super(message, file, record, offset);
    }
}
