package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.Value;
import java.io.IOException;
import java.util.Arrays;

/**
 * Finds the place that a dotted path names. Steps are dict keys and list indices; a key may contain dots itself
 * ({@code model.module.conv1} with the keys {@code "model"} and {@code "module.conv1"}).
 */
final class KeyPath {
    private static final String[] WHOLE = {};

    private KeyPath() {}

    /**
     * The steps to the place.
     *
     * @param text what {@code --key} says; null or empty: the whole content
     * @throws Failures.UsageException telling what is there, when there is no such place
     */
    static String[] resolve(Checkpoint checkpoint, String text) throws IOException {
        if (text == null || text.isEmpty()) {
            return WHOLE;
        }
        String[] steps = text.split("\\.", -1);
        try {
            checkpoint.tensors(steps);
            return steps;
        } catch (IllegalArgumentException noSuchPlace) {
            String[] found = walk(checkpoint.root(), steps, 0);
            if (found == null) {
                throw new Failures.UsageException("--key " + text + ": "
                        + noSuchPlace.getMessage());
            }
            return found;
        }
    }

    /** The steps below {@code value} that the words from {@code first} on spell, or null. */
    private static String[] walk(Value value, String[] words, int first) {
        if (first == words.length) {
            return WHOLE;
        }
        for (int end = first + 1; end <= words.length; end++) {
            String step = String.join(".", Arrays.copyOfRange(words, first, end));
            String[] rest = value.find(step).isEmpty() ? null : walk(value.get(step), words, end);
            if (rest != null) {
                String[] steps = new String[rest.length + 1];
                steps[0] = step;
                System.arraycopy(rest, 0, steps, 1, rest.length);
                return steps;
            }
        }
        return null;
    }
}
