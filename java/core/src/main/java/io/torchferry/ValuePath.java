package io.torchferry;

import java.math.BigInteger;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Steps through values, and what to say when they lead nowhere. */
final class ValuePath {
    private static final int NAMES_SHOWN = 10;

    private ValuePath() {
    }

    /** The value one step below, or null. */
    static Value step(Value from, String step) {
        if (from instanceof DictValue dict) {
            Value found = dict.lookup(new Value.Str(step));
            return found == null && isInteger(step) ? dict.lookup(new Value.Int(new BigInteger(step))) : found;
        }
        if (from instanceof ObjectValue object) {
            return object.lookup(step);
        }
        List<Value> items = itemsOf(from);
        boolean index = items != null && step.length() < 10 && isInteger(step) && step.charAt(0) != '-';
        return index && Integer.parseInt(step) < items.size() ? items.get(Integer.parseInt(step)) : null;
    }

    private static List<Value> itemsOf(Value value) {
        return value instanceof ListValue list ? list.items()
                : value instanceof TupleValue tuple ? tuple.items() : null;
    }

    private static boolean isInteger(String text) {
        int first = text.startsWith("-") ? 1 : 0;
        return text.length() > first && text.length() < 4_000
                && text.chars().skip(first).allMatch(c -> c >= '0' && c <= '9');
    }

    /** What is there instead of a step. */
    static String missing(Value at, String step) {
        String there;
        if (at instanceof DictValue dict) {
            there = "a dict with " + dict.size() + " keys: " + listed(dict.entries().stream());
        } else if (at instanceof ObjectValue object) {
            there = "a " + object.className() + " with: " + listed(object.state().stream());
        } else if (itemsOf(at) != null) {
            there = "a sequence of " + itemsOf(at).size() + " items";
        } else {
            there = at.toString();
        }
        return "there is no " + PythonText.quote(step) + " in " + there;
    }

    private static String listed(Stream<DictValue.Entry> entries) {
        List<String> names = entries.limit(NAMES_SHOWN + 1).map(entry -> entry.key().toString()).toList();
        String shown = names.stream().limit(NAMES_SHOWN).collect(Collectors.joining(", "));
        return names.size() > NAMES_SHOWN ? shown + ", ..." : shown;
    }

    static IllegalStateException unexpected(String wanted, Value found) {
        return new IllegalStateException("this value is not " + wanted + " but " + found);
    }
}
