package io.torchferry;

/**
 * A load needs more bytes on a device than the {@link CheckpointLoader}'s budget has: more than there will ever be, or
 * more than is free now where the loader was told not to wait. Nothing was read or allocated for it.
 */
public final class BudgetExceededException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient Device device;
    private final long needed;
    private final long free;
    private final long budget;

    BudgetExceededException(String message, Device device, long needed, long free, long budget) {
        super(message);
        this.device = device;
        this.needed = needed;
        this.free = free;
        this.budget = budget;
    }

    /** The device that lacks bytes; null after deserialization. */
    public Device device() {
        return device;
    }

    /** Bytes that the load needs there. */
    public long needed() {
        return needed;
    }

    /** Bytes that could have been taken there at that moment. */
    public long free() {
        return free;
    }

    /** The whole budget of the device in bytes. */
    public long budget() {
        return budget;
    }
}
