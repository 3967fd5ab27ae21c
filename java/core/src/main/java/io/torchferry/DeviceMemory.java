package io.torchferry;

/** How the memory of a device, the CPU included, is taken for the storages of a load. Mapped ones take none. */
public enum DeviceMemory {
    /**
     * One allocation for all storages: the fastest, with few copies however many tensors there are. It is given back
     * when the last tensor that looks at it goes, so a small tensor that is kept keeps all of it.
     */
    SLAB,

    /** One allocation for each storage, as {@code torch.load} makes them; each is given back on its own. */
    PER_STORAGE
}
