package io.torchferry;

/** Which location each storage is saved with: where {@code torch.load} puts it without a {@code map_location}. */
public enum LocationTags {
    /** The device that it is on, as {@code torch.save} does: {@code "cuda:0"}. */
    DEVICE,
    /** {@code "cpu"} for all, so that the file loads anywhere without {@code map_location}. */
    CPU
}
