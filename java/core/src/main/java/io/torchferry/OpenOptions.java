package io.torchferry;

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
 */
public record OpenOptions(Limits limits, boolean weightsOnly, boolean verifyChecksums) {

    /** Default limits; unknown objects are read as inert data. */
    public static final OpenOptions DEFAULT = new OpenOptions(Limits.DEFAULT, false, false);

    /** Checks the arguments. */
    public OpenOptions {
        Objects.requireNonNull(limits, "limits");
    }

    /** These options with other limits. */
    public OpenOptions withLimits(Limits newLimits) {
        return new OpenOptions(newLimits, weightsOnly, verifyChecksums);
    }

    /** These options with {@link #weightsOnly} on or off. */
    public OpenOptions withWeightsOnly(boolean on) {
        return new OpenOptions(limits, on, verifyChecksums);
    }

    /** These options with {@link #verifyChecksums} on or off. */
    public OpenOptions withVerifyChecksums(boolean on) {
        return new OpenOptions(limits, weightsOnly, on);
    }

    long[] packed() {
        long[] limit = limits.packed();
        long[] packed = new long[limit.length + 2];
        packed[0] = weightsOnly ? 1 : 0;
        packed[1] = verifyChecksums ? 1 : 0;
        System.arraycopy(limit, 0, packed, 2, limit.length);
        return packed;
    }
}
