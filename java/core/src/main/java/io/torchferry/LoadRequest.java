package io.torchferry;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * What a {@link CheckpointLoader} is asked to load. Immutable: every method gives a changed request and leaves this one
 * as it is.
 *
 * @param path the checkpoint
 * @param options how it is loaded
 * @param keys dict keys and list indices that lead to the place that is loaded; none for the whole content
 * @param deadline how long it may take from the moment it is asked for, with all waiting; empty for the loader's own
 */
public record LoadRequest(Path path, LoadOptions options, List<String> keys, Optional<Duration> deadline) {

    /**
     * Checks the arguments.
     *
     * @throws IllegalArgumentException when the deadline is negative
     */
    public LoadRequest {
        Objects.requireNonNull(path, "path");
        Objects.requireNonNull(options, "options");
        keys = List.copyOf(keys);
        if (deadline.isPresent() && deadline.get().isNegative()) {
            throw new IllegalArgumentException("a deadline must not be negative: " + deadline.get());
        }
    }

    /** The whole content of a file, with {@link LoadOptions#defaults()}. */
    public static LoadRequest of(Path path) {
        return new LoadRequest(path, LoadOptions.defaults(), List.of(), Optional.empty());
    }

    /** This request with other options. */
    public LoadRequest withOptions(LoadOptions newOptions) {
        return new LoadRequest(path, newOptions, keys, deadline);
    }

    /** This request for another place of the content: {@code withKeys("model")}. */
    public LoadRequest withKeys(String... newKeys) {
        return new LoadRequest(path, options, List.of(newKeys), deadline);
    }

    /** This request with a deadline of its own. */
    public LoadRequest withDeadline(Duration newDeadline) {
        return new LoadRequest(path, options, keys, Optional.of(newDeadline));
    }

    String[] place() {
        return keys.toArray(String[]::new);
    }
}
