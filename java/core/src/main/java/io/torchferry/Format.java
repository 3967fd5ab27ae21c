package io.torchferry;

/** What a file is, decided from its content, never from its name. */
public enum Format {
    // In the order of torchferry::Format.
    /** The zip container of {@code torch.save} since PyTorch 1.6. */
    ZIP,
    /** The stream of pickles that {@code torch.save} wrote before 1.6, and still can. */
    LEGACY,
    /** The tar archive of PyTorch 0.1. */
    TAR,
    /** The zip container of {@code torch.jit.save}. */
    TORCHSCRIPT,
    /** The safetensors format. */
    SAFETENSORS,
    /** An index file with the shards that it lists. */
    SHARDED,
    /** A directory of {@code torch.distributed.checkpoint}. */
    DISTRIBUTED;

    private static final Format[] ALL = values();

    static Format numbered(int ordinal) {
        return ALL[ordinal];
    }

    /** The lower-case name, for example {@code "zip"}. */
    @Override
    public String toString() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }
}
