package io.torchferry;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * Choosing and renaming tensors by their names, for {@link LoadOptions#filter}, {@link StateDict#subset} and
 * {@link StateDict#renamed}.
 *
 * <pre>{@code
 * LoadOptions.defaults().filter(Keys.glob("layer1.*", "*.bias"))
 * weights.renamed(Keys.replacing("^backbone\\.", "").andThen(Keys.replacing("\\.gamma$", ".weight")))
 * }</pre>
 */
public final class Keys {

    private Keys() {
    }

    /**
     * Names that one of the patterns matches as a whole, as Python's {@code fnmatch} does: {@code *} is any text, dots
     * included, {@code ?} any character, {@code [a-c]} and {@code [!a-c]} one of a set or none of it.
     */
    public static Predicate<String> glob(String... patterns) {
        List<Glob> globs = java.util.Arrays.stream(patterns).map(Glob::new).toList();
        return key -> globs.stream().anyMatch(glob -> glob.matches(key));
    }

    /** Names in which the expression is found, anywhere; {@code ^} and {@code $} stand for the name's ends. */
    public static Predicate<String> containing(Pattern expression) {
        return expression.asPredicate();
    }

    /**
     * Replaces everything that the expression matches, as Python's {@code re.sub} does; names that it does not match
     * stay. The replacement refers to groups by {@code $1}.
     *
     * @throws java.util.regex.PatternSyntaxException when the expression is none
     */
    public static Function<String, String> replacing(String expression, String replacement) {
        Pattern pattern = Pattern.compile(expression);
        return key -> pattern.matcher(key).replaceAll(replacement);
    }

    /**
     * Several {@linkplain #replacing replacements}, one after the other in the map's order: expression to replacement.
     *
     * @throws java.util.regex.PatternSyntaxException when an expression is none
     */
    public static Function<String, String> replacing(Map<String, String> rules) {
        Function<String, String> all = Function.identity();
        for (Map.Entry<String, String> rule : new LinkedHashMap<>(rules).entrySet()) {
            all = all.andThen(replacing(rule.getKey(), rule.getValue()));
        }
        return all;
    }
}
