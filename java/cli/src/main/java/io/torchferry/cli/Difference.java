package io.torchferry.cli;

import io.torchferry.Tensor;
import java.util.Arrays;

/**
 * How far one tensor is from another.
 *
 * @param sameShape whether types and shapes are equal; the others mean nothing otherwise
 * @param bitEqual whether every bit is
 * @param absolute the largest absolute difference of two elements; infinite where one is NaN and the other is not
 * @param relative {@code absolute} by the largest magnitude of the reference
 */
record Difference(boolean sameShape, boolean bitEqual, double absolute, double relative) {
    static Difference between(Tensor got, Tensor reference) {
        if (got.dtype() != reference.dtype() || !Arrays.equals(got.shape(), reference.shape())) {
            return new Difference(false, false, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY);
        }
        return between(got.toDoubleArray(), reference.toDoubleArray(), got.equalsBitwise(reference));
    }

    static Difference between(double[] got, double[] reference, boolean bitEqual) {
        double absolute = 0;
        double magnitude = 0;
        for (int i = 0; i < got.length; i++) {
            boolean same = Double.compare(got[i], reference[i]) == 0 || got[i] == reference[i];
            double distance = same ? 0 : Math.abs(got[i] - reference[i]);
            absolute = Math.max(absolute, Double.isNaN(distance) ? Double.POSITIVE_INFINITY : distance);
            magnitude = Math.max(magnitude, Double.isNaN(reference[i]) ? 0 : Math.abs(reference[i]));
        }
        return new Difference(true, bitEqual, absolute, absolute == 0 ? 0 : absolute / magnitude);
    }

    boolean isWithin(double relativeTolerance) {
        return sameShape && relative <= relativeTolerance;
    }

    @Override
    public String toString() {
        if (!sameShape) {
            return "another type or shape";
        }
        return bitEqual ? "equal bit for bit"
                : String.format(java.util.Locale.ROOT, "largest difference %.3g (relative %.3g)", absolute, relative);
    }
}
