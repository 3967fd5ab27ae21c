package io.torchferry;

/** Told of every load that a {@link CheckpointLoader} has ended; see {@link CheckpointLoader#addListener}. */
@FunctionalInterface
public interface LoadListener {
    /**
     * Called once for each load, mostly on the loader's threads, by several of them at once. Must be short. What it
     * throws is logged and changes nothing.
     */
    void ended(LoadOutcome outcome);
}
