package io.torchferry;

/**
 * A {@code torch.device} among the content, as written: {@code map_location} leaves it alone.
 *
 * @param name for example {@code "cuda:1"}; see {@link Device#parse}
 */
public record DeviceValue(String name) implements Value {

    @Override
    public String toString() {
        return "device(" + PythonText.quote(name) + ")";
    }
}
