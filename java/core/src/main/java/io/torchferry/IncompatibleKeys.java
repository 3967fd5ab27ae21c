package io.torchferry;

import java.util.List;

/**
 * What {@code load_state_dict} found, as {@code nn.Module.load_state_dict} returns it.
 *
 * @param missingKeys names that the module has and the state dict lacks, in the module's order
 * @param unexpectedKeys names that the state dict has and the module lacks, in the state dict's order
 */
public record IncompatibleKeys(List<String> missingKeys, List<String> unexpectedKeys) {

    /** Copies the lists. */
    public IncompatibleKeys {
        missingKeys = List.copyOf(missingKeys);
        unexpectedKeys = List.copyOf(unexpectedKeys);
    }

    /** Whether every key matched. */
    public boolean isEmpty() {
        return missingKeys.isEmpty() && unexpectedKeys.isEmpty();
    }

    /** {@code <All keys matched successfully>}, or the lists as Python prints them. */
    @Override
    public String toString() {
        if (isEmpty()) {
            return "<All keys matched successfully>";
        }
        return "_IncompatibleKeys(missing_keys=" + quoted(missingKeys) + ", unexpected_keys=" + quoted(unexpectedKeys)
                + ")";
    }

    private static String quoted(List<String> keys) {
        StringBuilder text = new StringBuilder("[");
        for (String key : keys) {
            text.append(text.length() > 1 ? ", " : "").append(PythonText.quote(key));
        }
        return text.append(']').toString();
    }
}
