package io.torchferry;

import java.util.Locale;

/**
 * How a quantized tensor's integers stand for real numbers: {@code (q - zeroPoint) * scale}.
 *
 * @param scheme one pair for the tensor, or one for each index of an axis
 * @param scale the scale of {@link Scheme#PER_TENSOR_AFFINE}, else 0; per-channel scales are
 *     {@code TensorInfo.parts().get(0)}
 * @param zeroPoint the zero point of {@link Scheme#PER_TENSOR_AFFINE}, else 0; per-channel zero points are
 *     {@code TensorInfo.parts().get(1)}
 * @param axis the dimension of the channels, 0 for {@link Scheme#PER_TENSOR_AFFINE}
 */
public record Quantization(Scheme scheme, double scale, long zeroPoint, long axis) {

    /** {@code torch.qscheme}. */
    public enum Scheme {
        // In the order of torchferry::QScheme, without its none.
        /** {@code torch.per_tensor_affine}. */
        PER_TENSOR_AFFINE,
        /** {@code torch.per_channel_affine}. */
        PER_CHANNEL_AFFINE,
        /** {@code torch.per_channel_affine_float_qparams}. */
        PER_CHANNEL_AFFINE_FLOAT_QPARAMS;

        /** torch's name. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }
}
