package io.torchferry.cli;

import io.torchferry.Keys;
import io.torchferry.StateDict;
import java.util.List;
import java.util.function.Function;
import java.util.regex.PatternSyntaxException;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * What {@code --rename REGEX=TEXT} says.
 *
 * @param name gives a name's new form
 */
record RenameRule(Function<String, String> name) {

    /**
     * The dict under the names that a prefix and rules give; the same object where there are none.
     *
     * @param prefix taken off names first, or null
     * @throws IllegalArgumentException naming both, when two tensors would have one name
     */
    static StateDict apply(StateDict dict, String prefix, List<RenameRule> rules) {
        if (prefix == null && rules.isEmpty()) {
            return dict;
        }
        Function<String, String> all = rules.stream().map(RenameRule::name)
                .reduce(Function.identity(), Function::andThen);
        if (prefix == null) {
            return renamed(dict, all);
        }
        StateDict stripped = dict.withPrefixStripped(prefix);
        if (rules.isEmpty()) {
            return stripped;
        }
        try (stripped) {
            return renamed(stripped, all);
        }
    }

    private static StateDict renamed(StateDict dict, Function<String, String> name) {
        try {
            return dict.renamed(name);
        } catch (IndexOutOfBoundsException noSuchGroup) {
            throw new Failures.UsageException("--rename: " + noSuchGroup.getMessage());
        }
    }

    /** For picocli: split at the first equals sign. */
    static final class Converter implements ITypeConverter<RenameRule> {
        @Override
        public RenameRule convert(String text) {
            int equals = text.indexOf('=');
            if (equals <= 0) {
                throw new TypeConversionException("'" + text + "' is not REGEX=TEXT, for example ^module\\.=");
            }
            try {
                return new RenameRule(Keys.replacing(text.substring(0, equals), text.substring(equals + 1)));
            } catch (PatternSyntaxException e) {
                throw new TypeConversionException("'" + text.substring(0, equals)
                        + "' is not a regular expression: " + e.getDescription());
            }
        }
    }
}
