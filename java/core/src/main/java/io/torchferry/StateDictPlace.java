package io.torchferry;

import java.util.List;

/**
 * A place of a checkpoint's content that looks like a model's state dict.
 *
 * @param path what {@link Checkpoint#stateDict(String...)} takes; empty for the whole content
 * @param tensors how many tensors are listed below it
 */
public record StateDictPlace(List<String> path, int tensors) {

    /** Copies the list. */
    public StateDictPlace {
        path = List.copyOf(path);
    }

    /** The path as an array: {@code checkpoint.stateDict(place.steps())}. */
    public String[] steps() {
        return path.toArray(String[]::new);
    }

    /** The path joined with dots, and the number: {@code model (18 tensors)}. */
    @Override
    public String toString() {
        String name = path.isEmpty() ? "the whole content" : String.join(".", path);
        return name + " (" + tensors + (tensors == 1 ? " tensor)" : " tensors)");
    }
}
