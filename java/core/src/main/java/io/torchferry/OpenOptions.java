package io.torchferry;

import java.util.Arrays;
import java.util.Objects;

/**
 * How a checkpoint is opened.
 *
 * @param limits what reading may use
 * @param weightsOnly like {@code torch.load(weights_only=True)}: a global outside PyTorch's allow-list is
 *     {@link UnsafeCheckpointException} naming it. Otherwise unknown objects stay inert data. No code of the file is
 *     run either way.
 * @param verifyChecksums checks the recorded CRC-32 of the pickle that describes the tensors, which PyTorch never does.
 *     The sums of tensor bytes are checked at load: {@link LoadOptions#verifyChecksums(boolean)}.
 * @param saveIndex which save to read, from 0, where several stand in one file one after the other: what that many calls
 *     of {@code torch.load} on one open file would have passed over. Only legacy files can have more than one:
 *     {@link Checkpoint#saveCount}.
 */
public record OpenOptions(Limits limits, boolean weightsOnly, boolean verifyChecksums, long saveIndex) {

    /** Default limits; the first save; unknown objects are read as inert data. */
    public static final OpenOptions DEFAULT = new OpenOptions(Limits.DEFAULT, false, false, 0);

    /**
     * Checks the arguments.
     *
     * @throws IllegalArgumentException when the index is negative
     */
    public OpenOptions {
        Objects.requireNonNull(limits, "limits");
        if (saveIndex < 0) {
            throw new IllegalArgumentException("the index of a save must not be negative: " + saveIndex);
        }
    }

    /** These options with other limits. */
    public OpenOptions withLimits(Limits newLimits) {
        return new OpenOptions(newLimits, weightsOnly, verifyChecksums, saveIndex);
    }

    /** These options with {@link #weightsOnly} on or off. */
    public OpenOptions withWeightsOnly(boolean on) {
        return new OpenOptions(limits, on, verifyChecksums, saveIndex);
    }

    /** These options with {@link #verifyChecksums} on or off. */
    public OpenOptions withVerifyChecksums(boolean on) {
        return new OpenOptions(limits, weightsOnly, on, saveIndex);
    }

    /** These options with another {@link #saveIndex}. */
    public OpenOptions withSaveIndex(long index) {
        return new OpenOptions(limits, weightsOnly, verifyChecksums, index);
    }

    long[] packed() {
        long[] limit = limits.packed();
        long[] packed = Arrays.copyOf(new long[] {weightsOnly ? 1 : 0, verifyChecksums ? 1 : 0}, limit.length + 3);
        System.arraycopy(limit, 0, packed, 2, limit.length);
        packed[packed.length - 1] = saveIndex;
        return packed;
    }
}
