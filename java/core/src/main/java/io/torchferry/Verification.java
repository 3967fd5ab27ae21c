package io.torchferry;

import java.util.List;

/**
 * What came of comparing a file's bytes with the sums recorded in it.
 *
 * @param parts every part that was read, in the order of the file's directory
 */
public record Verification(List<Part> parts) {

    /** Copies the list. */
    public Verification {
        parts = List.copyOf(parts);
    }

    /** What came of one part. */
    public enum Result {
        /** Its bytes have the recorded sum. */
        MATCHES,
        /** It could be read, but the file holds no sum to compare its bytes with. */
        UNRECORDED,
        /** Its bytes do not have the recorded sum, or cannot be read. */
        DAMAGED
    }

    /**
     * One part of a file: a record of a zip archive, else a storage.
     *
     * @param name the record's name, or the storage's key
     * @param bytes its size, after inflating
     * @param result what came of it
     * @param problem why it is damaged, or ""
     */
    public record Part(String name, long bytes, Result result, String problem) {
    }

    /** Whether nothing is damaged. Parts without a recorded sum do not count against it. */
    public boolean isSound() {
        return parts.stream().noneMatch(part -> part.result == Result.DAMAGED);
    }

    /** The parts with one result, in order. */
    public List<Part> parts(Result result) {
        return parts.stream().filter(part -> part.result == result).toList();
    }

    static Verification unpacked(PackReader in) {
        Part[] parts = new Part[in.i32()];
        for (int i = 0; i < parts.length; i++) {
            parts[i] = new Part(in.string(), in.i64(), Result.values()[in.i32()], in.string());
        }
        return new Verification(List.of(parts));
    }
}
