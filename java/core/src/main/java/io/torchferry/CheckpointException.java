package io.torchferry;

import java.io.IOException;
import java.util.OptionalLong;

/**
 * A checkpoint could not be read. The message reads {@code FILE: record RECORD, byte OFFSET: WHAT}, leaving out what
 * is not known. This class itself stands for the operating system's refusals (a missing file, a short read); the
 * subclasses stand for what is wrong with the content.
 */
public class CheckpointException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String file;
    private final String record;
    private final long offset;

    /**
     * Made by the reader.
     *
     * @param message the whole message
     * @param file the file's name as given to {@code open}, or ""
     * @param record the record (zip entry, section) inside the file, or ""
     * @param offset bytes from the start of the record, or of the file where there is no record; -1 when not known
     */
    CheckpointException(String message, String file, String record, long offset) {
        super(message);
        this.file = file;
        this.record = record;
        this.offset = offset;
    }

    /** The file's name as it was given to {@code open}, or "". */
    public String file() {
        return file;
    }

    /** The record (zip entry, section) inside the file, or "". */
    public String record() {
        return record;
    }

    /** Bytes from the start of the record, or of the file where there is no record, when known. */
    public OptionalLong offset() {
        return offset < 0 ? OptionalLong.empty() : OptionalLong.of(offset);
    }
}
