package io.torchferry;

/**
 * What reading one checkpoint may use before it is refused with {@link LimitExceededException}, whose message names the
 * limit, its value and the method here that changes it. The defaults are far above what real checkpoints need; lower
 * them for untrusted files.
 *
 * @param pickleBytes bytes of one pickle, after inflating
 * @param pickleNodes values that a pickle may make
 * @param memoEntries entries of the pickle's memo table
 * @param depth containers inside containers; at most 1,000,000 are walked, whatever this says
 * @param integerBytes bytes of one integer of arbitrary size
 * @param records records in a container; files of a checkpoint that has several
 * @param directoryBytes bytes of the container's directory, of the header of a safetensors file, or of an index of
 *     shards
 * @param tensors tensors that the content may list; a tensor listed under two names counts twice. A small pickle may
 *     list fewer: 100,000 and four for each of its bytes
 * @param nameBytes bytes of all names together; for a small pickle fewer: 8 MiB and 16 times its size
 * @param dimensions dimensions of one tensor
 * @param inflatedBytes bytes that inflating all deflated records may give
 * @param inflateRatio inflated bytes per stored byte of a deflated record
 * @param spoolBytes bytes that are copied of a stream, a channel or a file of another file system
 */
public record Limits(
        long pickleBytes,
        long pickleNodes,
        long memoEntries,
        int depth,
        int integerBytes,
        long records,
        long directoryBytes,
        long tensors,
        long nameBytes,
        int dimensions,
        long inflatedBytes,
        int inflateRatio,
        long spoolBytes) {

    /** The default limits. */
    public static final Limits DEFAULT = new Limits(
            1L << 30, 50_000_000, 50_000_000, 1_000, 4_096, 10_000_000, 1L << 30, 10_000_000, 1L << 30, 64, 1L << 36,
            1_100, 1L << 40);

    private static final String NAMES = "pickle_bytes, pickle_nodes, memo_entries, depth, integer_bytes, records, "
            + "directory_bytes, tensors, name_bytes, dimensions, inflated_bytes, inflate_ratio and spool_bytes";

    /**
     * Checks that no limit is negative.
     *
     * @throws IllegalArgumentException when one is
     */
    public Limits {
        long[] all = {pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes, tensors,
            nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes};
        for (long limit : all) {
            if (limit < 0) {
                throw new IllegalArgumentException("a limit must not be negative: " + limit);
            }
        }
    }

    /**
     * The same limits with another one, by the name that errors give it: {@code "pickle_bytes"} for
     * {@link #pickleBytes}. For configuration files and command lines.
     *
     * @throws IllegalArgumentException when there is no limit of this name, or the number is none that it can have
     */
    public Limits with(String name, long limit) {
        return switch (name) {
            case "pickle_bytes" -> withPickleBytes(limit);
            case "pickle_nodes" -> withPickleNodes(limit);
            case "memo_entries" -> withMemoEntries(limit);
            case "depth" -> withDepth(asInt(limit));
            case "integer_bytes" -> withIntegerBytes(asInt(limit));
            case "records" -> withRecords(limit);
            case "directory_bytes" -> withDirectoryBytes(limit);
            case "tensors" -> withTensors(limit);
            case "name_bytes" -> withNameBytes(limit);
            case "dimensions" -> withDimensions(asInt(limit));
            case "inflated_bytes" -> withInflatedBytes(limit);
            case "inflate_ratio" -> withInflateRatio(asInt(limit));
            case "spool_bytes" -> withSpoolBytes(limit);
            default -> throw new IllegalArgumentException("there is no limit " + name + "; there are " + NAMES);
        };
    }

    private static int asInt(long limit) {
        return (int) Math.max(-1, Math.min(limit, Integer.MAX_VALUE));
    }

    /** The same limits with another one for {@link #pickleBytes}. */
    public Limits withPickleBytes(long limit) {
        return new Limits(limit, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes, tensors,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #pickleNodes}. */
    public Limits withPickleNodes(long limit) {
        return new Limits(pickleBytes, limit, memoEntries, depth, integerBytes, records, directoryBytes, tensors,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #memoEntries}. */
    public Limits withMemoEntries(long limit) {
        return new Limits(pickleBytes, pickleNodes, limit, depth, integerBytes, records, directoryBytes, tensors,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #depth}. */
    public Limits withDepth(int limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, limit, integerBytes, records, directoryBytes,
                tensors, nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #integerBytes}. */
    public Limits withIntegerBytes(int limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, limit, records, directoryBytes, tensors,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #records}. */
    public Limits withRecords(long limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, limit, directoryBytes, tensors,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #directoryBytes}. */
    public Limits withDirectoryBytes(long limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, limit, tensors,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #tensors}. */
    public Limits withTensors(long limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes, limit,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #nameBytes}. */
    public Limits withNameBytes(long limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes,
                tensors, limit, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #dimensions}. */
    public Limits withDimensions(int limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes,
                tensors, nameBytes, limit, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #inflatedBytes}. */
    public Limits withInflatedBytes(long limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes,
                tensors, nameBytes, dimensions, limit, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #inflateRatio}. */
    public Limits withInflateRatio(int limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes,
                tensors, nameBytes, dimensions, inflatedBytes, limit, spoolBytes);
    }

    /** The same limits with another one for {@link #spoolBytes}. */
    public Limits withSpoolBytes(long limit) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes,
                tensors, nameBytes, dimensions, inflatedBytes, inflateRatio, limit);
    }

    /** In the order in which the bridge reads them; native code copies no streams. */
    long[] packed() {
        return new long[] {pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes,
            tensors, nameBytes, dimensions, inflatedBytes, inflateRatio};
    }
}
