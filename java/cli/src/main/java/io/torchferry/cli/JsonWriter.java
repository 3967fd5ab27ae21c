package io.torchferry.cli;

import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.Map;

/**
 * Writes one JSON document on one line. The text is pure ASCII: everything else is escaped, lone surrogates too, so
 * that names survive any terminal encoding and any JSON reader. Numbers that JSON does not know (NaN, infinities) are
 * written as the strings {@code "NaN"}, {@code "Infinity"} and {@code "-Infinity"}. Not thread safe.
 */
final class JsonWriter {
    private final StringBuilder out = new StringBuilder();
    /** For each open object or array: whether it has a member already. */
    private final Deque<Boolean> open = new ArrayDeque<>();
    private boolean afterName;

    JsonWriter beginObject() {
        return begin('{');
    }

    JsonWriter endObject() {
        return end('}');
    }

    JsonWriter beginArray() {
        return begin('[');
    }

    JsonWriter endArray() {
        return end(']');
    }

    /** The name of the next member of the object that is open. */
    JsonWriter name(String name) {
        separate();
        quote(name);
        out.append(':');
        afterName = true;
        return this;
    }

    JsonWriter value(String text) {
        if (text == null) {
            return raw("null");
        }
        separate();
        quote(text);
        return this;
    }

    JsonWriter value(long number) {
        return raw(Long.toString(number));
    }

    JsonWriter value(double number) {
        return Double.isFinite(number) ? raw(Double.toString(number)) : value(Double.toString(number));
    }

    JsonWriter value(boolean truth) {
        return raw(Boolean.toString(truth));
    }

    JsonWriter value(long[] numbers) {
        beginArray();
        for (long number : numbers) {
            value(number);
        }
        return endArray();
    }

    JsonWriter value(Collection<String> texts) {
        beginArray();
        texts.forEach(this::value);
        return endArray();
    }

    /** An object of names and whole numbers, in the map's order. */
    JsonWriter value(Map<?, Long> numbers) {
        beginObject();
        numbers.forEach((key, number) -> name(key.toString()).value(number.longValue()));
        return endObject();
    }

    /** A number or literal that is valid JSON already. */
    JsonWriter raw(String literal) {
        separate();
        out.append(literal);
        return this;
    }

    JsonWriter field(String name, String text) {
        return name(name).value(text);
    }

    JsonWriter field(String name, long number) {
        return name(name).value(number);
    }

    JsonWriter field(String name, double number) {
        return name(name).value(number);
    }

    JsonWriter field(String name, boolean truth) {
        return name(name).value(truth);
    }

    JsonWriter field(String name, long[] numbers) {
        return name(name).value(numbers);
    }

    JsonWriter field(String name, Collection<String> texts) {
        return name(name).value(texts);
    }

    /** The finished document. */
    @Override
    public String toString() {
        if (!open.isEmpty() || afterName) {
            throw new IllegalStateException("unfinished JSON: " + out);
        }
        return out.toString();
    }

    private JsonWriter begin(char bracket) {
        separate();
        out.append(bracket);
        open.push(false);
        return this;
    }

    private JsonWriter end(char bracket) {
        open.pop();
        out.append(bracket);
        return this;
    }

    private void separate() {
        if (afterName) {
            afterName = false;
        } else if (!open.isEmpty()) {
            if (open.pop()) {
                out.append(',');
            }
            open.push(true);
        }
    }

    private void quote(String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    if (c >= 0x20 && c < 0x7f) {
                        out.append(c);
                    } else {
                        out.append(String.format("\\u%04x", (int) c));
                    }
                }
            }
        }
        out.append('"');
    }
}
