package io.torchferry;

/**
 * A {@code torch.dtype} among the content.
 *
 * @param name torch's name without {@code "torch."}; see {@link DType#parse}
 */
public record DTypeValue(String name) implements Value {

    @Override
    public String toString() {
        return "torch." + name;
    }
}
