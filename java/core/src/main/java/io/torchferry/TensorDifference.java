package io.torchferry;

/**
 * How the elements of two tensors differ: this one's, a, from the other's, b. Two NaNs are equal, and so are the two
 * zeros.
 *
 * @param elements how many were compared; of a tensor that is made of others, all their elements
 * @param different elements whose values differ
 * @param notClose elements for which {@code |a - b| <= absolute + relative * |b|} does not hold, as in
 *     {@code torch.allclose}
 * @param nanHere NaNs in a
 * @param nanThere NaNs in b
 * @param maxAbsolute the largest {@code |a - b|}, where neither is NaN
 * @param maxRelative the largest {@code |a - b| / |b|}, where neither is NaN; infinite where b is 0 and a is not
 * @param first row-major index of the first element whose value differs; {@code elements} when none does
 * @param bitsEqual whether dtype and all bytes are the same
 * @param measured {@code false} for types whose items have no numbers (packed and bits types): {@code different}
 *     counts unequal items then
 */
public record TensorDifference(
        long elements,
        long different,
        long notClose,
        long nanHere,
        long nanThere,
        double maxAbsolute,
        double maxRelative,
        long first,
        boolean bitsEqual,
        boolean measured) {

    /** Whether all values are equal. */
    public boolean isEqual() {
        return different == 0;
    }

    /** Whether all values are equal or within the tolerance: {@code torch.allclose(a, b, equal_nan=True)}. */
    public boolean isClose() {
        return notClose == 0;
    }

    static TensorDifference unpacked(PackReader in) {
        long elements = in.i64();
        long different = in.i64();
        long notClose = in.i64();
        long nanHere = in.i64();
        long nanThere = in.i64();
        long first = in.i64();
        return new TensorDifference(elements, different, notClose, nanHere, nanThere, in.f64(), in.f64(), first,
                in.i32() != 0, in.i32() != 0);
    }
}
