package io.torchferry;

/**
 * A class or function that the content names without calling it.
 *
 * @param name {@code "module.name"}
 */
public record GlobalRef(String name) implements Value {

    @Override
    public String toString() {
        return "<global " + name + ">";
    }
}
