package io.torchferry;

import java.util.List;

/** Containers in Python's notation, up to a length: content can be written so that its text would never end. */
final class ValueText {
    private static final int MOST_CHARACTERS = 4_000;
    private static final int MOST_DEPTH = 100;

    private final StringBuilder out = new StringBuilder();

    private ValueText() {
    }

    static String of(Value value) {
        ValueText text = new ValueText();
        text.append(value, 0);
        return text.out.toString();
    }

    private boolean full() {
        return out.length() > MOST_CHARACTERS;
    }

    private void append(Value value, int depth) {
        if (depth > MOST_DEPTH) {
            out.append("...");
        } else if (value instanceof ListValue list) {
            items("[", list.items(), "]", depth);
        } else if (value instanceof TupleValue tuple) {
            items("(", tuple.items(), tuple.size() == 1 ? ",)" : ")", depth);
        } else if (value instanceof SetValue set && set.size() == 0) {
            out.append("set()");
        } else if (value instanceof SetValue set) {
            items("{", set.items(), "}", depth);
        } else if (value instanceof DictValue dict) {
            boolean plain = dict.className().isEmpty();
            entries(plain ? "{" : dict.className() + "({", dict.entries(), plain ? "}" : "})", depth);
        } else if (value instanceof ObjectValue object) {
            items("<" + object.className() + "(", object.arguments(), ")", depth);
            if (!object.state().isEmpty()) {
                entries(" {", object.state(), "}", depth);
            }
            out.append('>');
        } else {
            out.append(value);
        }
    }

    private void items(String open, List<Value> items, String close, int depth) {
        out.append(open);
        for (int i = 0; i < items.size(); i++) {
            out.append(i == 0 ? "" : ", ");
            if (full()) {
                out.append("... ").append(items.size() - i).append(" more");
                break;
            }
            append(items.get(i), depth + 1);
        }
        out.append(close);
    }

    private void entries(String open, List<DictValue.Entry> entries, String close, int depth) {
        out.append(open);
        for (int i = 0; i < entries.size(); i++) {
            out.append(i == 0 ? "" : ", ");
            if (full()) {
                out.append("... ").append(entries.size() - i).append(" more");
                break;
            }
            append(entries.get(i).key(), depth + 1);
            out.append(": ");
            append(entries.get(i).value(), depth + 1);
        }
        out.append(close);
    }
}
