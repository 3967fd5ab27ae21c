package io.torchferry;

/**
 * What reading one checkpoint may use before it is refused with {@link LimitExceededException}. The defaults are far
 * above what real checkpoints need; lower them for untrusted files.
 *
 * @param pickleBytes bytes of one pickle, after inflating
 * @param pickleNodes values that a pickle may make
 * @param memoEntries entries of the pickle's memo table
 * @param depth containers inside containers
 * @param integerBytes bytes of one integer of arbitrary size
 * @param records records in a container; files of a checkpoint that has several
 * @param directoryBytes bytes of the container's directory, or of an index of shards
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

    /** The same limits with another one for {@link #pickleBytes}. */
    public Limits withPickleBytes(long bytes) {
        return new Limits(bytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes, tensors,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #pickleNodes}. */
    public Limits withPickleNodes(long nodes) {
        return new Limits(pickleBytes, nodes, memoEntries, depth, integerBytes, records, directoryBytes, tensors,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #tensors}. */
    public Limits withTensors(long count) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes, count,
                nameBytes, dimensions, inflatedBytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #inflatedBytes}. */
    public Limits withInflatedBytes(long bytes) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes, tensors,
                nameBytes, dimensions, bytes, inflateRatio, spoolBytes);
    }

    /** The same limits with another one for {@link #spoolBytes}. */
    public Limits withSpoolBytes(long bytes) {
        return new Limits(pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes, tensors,
                nameBytes, dimensions, inflatedBytes, inflateRatio, bytes);
    }

    /** In the order in which the bridge reads them; native code copies no streams. */
    long[] packed() {
        return new long[] {pickleBytes, pickleNodes, memoEntries, depth, integerBytes, records, directoryBytes,
            tensors, nameBytes, dimensions, inflatedBytes, inflateRatio};
    }
}
