package io.torchferry;

/**
 * A tensor among the content.
 *
 * @param info what the file says about it
 * @param className the class when it is not a plain tensor: {@code "torch.nn.Parameter"}; else ""
 */
public record TensorRef(TensorInfo info, String className) implements Value {

    /** For example {@code tensor(..., size=(3, 4), dtype=float32, location='cuda:0')}. */
    @Override
    public String toString() {
        return "tensor(..., size=" + PythonText.tuple(info.shape()) + ", dtype=" + info.dtype() + ", location="
                + PythonText.quote(info.location()) + ")";
    }
}
