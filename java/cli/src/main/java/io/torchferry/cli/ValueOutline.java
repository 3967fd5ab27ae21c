package io.torchferry.cli;

import io.torchferry.DictValue;
import io.torchferry.ListValue;
import io.torchferry.ObjectValue;
import io.torchferry.SetValue;
import io.torchferry.TensorRef;
import io.torchferry.TupleValue;
import io.torchferry.Value;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/**
 * A checkpoint's content as an indented outline: a line for each value, a run of tensors as one line, long containers
 * and deep levels shortened. The number of lines is bounded in any case, because values that a file refers to many
 * times would be printed many times.
 */
final class ValueOutline {
    private static final int SHORT_LINES = 40;
    private static final int SHORT_CHILDREN = 8;
    private static final int SHORT_DEPTH = 4;
    private static final int MOST_LINES = 100_000;
    private static final int MOST_DEPTH = 200;

    private final PrintWriter out;
    private final int width;
    private final int children;
    private final int depth;
    private int linesLeft;

    /** @param full whether everything is shown, within sane bounds */
    ValueOutline(PrintWriter out, int width, boolean full) {
        this.out = out;
        this.width = width;
        this.children = full ? Integer.MAX_VALUE : SHORT_CHILDREN;
        this.depth = full ? MOST_DEPTH : SHORT_DEPTH;
        this.linesLeft = full ? MOST_LINES : SHORT_LINES;
    }

    private record Child(String label, Value value) {}

    /** Prints the parts of the content, each a line or more; a value without parts is one line. */
    void print(Value root) {
        List<Child> parts = parts(root);
        if (parts.isEmpty()) {
            line(1, text(root));
            return;
        }
        line(1, summary(root, parts));
        printParts(parts, 2);
    }

    private void printParts(List<Child> parts, int level) {
        int shown = 0;
        int tensors = 0;
        int leftOut = 0;
        for (int i = 0; i < parts.size(); i++) {
            Child part = parts.get(i);
            int alike = alike(parts, i);
            if (part.value instanceof TensorRef && parts.size() > 1) {
                tensors++;
            } else if (alike > 2 && shown < children && linesLeft > 1) {
                shown++;
                Child last = parts.get(i + alike - 1);
                line(level, part.label + " to " + last.label + ": " + alike + " times "
                        + summary(part.value, parts(part.value)));
                i += alike - 1;
            } else if (shown == children || linesLeft <= 1) {
                leftOut++;
            } else {
                shown++;
                print(part, level);
            }
        }
        if (tensors > 0 && tensors < parts.size()) {
            line(level, "and " + Units.count(tensors, "tensor"));
        }
        if (leftOut > 0) {
            line(level, "... and " + Units.count(leftOut, "more value") + " (--values shows all)");
        }
    }

    /** How many parts from the one at {@code first} on are containers of equally many tensors and nothing else. */
    private static int alike(List<Child> parts, int first) {
        String summary = tensorsOnly(parts.get(first).value);
        int end = first + 1;
        while (summary != null && end < parts.size() && summary.equals(tensorsOnly(parts.get(end).value))) {
            end++;
        }
        return end - first;
    }

    /** The summary of a container that holds tensors only, else null. */
    private static String tensorsOnly(Value value) {
        List<Child> parts = parts(value);
        boolean only = !parts.isEmpty() && parts.stream().allMatch(part -> part.value instanceof TensorRef);
        return only ? summary(value, parts) : null;
    }

    private void print(Child child, int level) {
        List<Child> parts = parts(child.value);
        if (parts.isEmpty()) {
            line(level, child.label + ": " + text(child.value));
            return;
        }
        boolean tensorsOnly = parts.stream().allMatch(part -> part.value instanceof TensorRef);
        String summary = child.label + ": " + summary(child.value, parts);
        if (tensorsOnly || parts.stream().noneMatch(part -> hasParts(part.value)) && fits(child, level)) {
            line(level, tensorsOnly ? summary : child.label + ": " + text(child.value));
        } else if (level > depth) {
            line(level, summary + " ...");
        } else {
            line(level, summary);
            printParts(parts, level + 1);
        }
    }

    private boolean fits(Child child, int level) {
        return parts(child.value).size() <= 16 && 2 * level + child.label.length() + text(child.value).length() < width;
    }

    private static boolean hasParts(Value value) {
        return value instanceof TensorRef || !parts(value).isEmpty();
    }

    private static String summary(Value value, List<Child> parts) {
        long tensors = parts.stream().filter(part -> part.value instanceof TensorRef).count();
        String kind;
        if (value instanceof DictValue dict) {
            String name = dict.className();
            kind = name.isEmpty() ? "dict" : name.substring(name.lastIndexOf('.') + 1);
        } else if (value instanceof ObjectValue object) {
            kind = "object of " + object.className() + " (not constructed)";
        } else {
            kind = value instanceof TupleValue ? "tuple" : value instanceof SetValue ? "set" : "list";
        }
        String size = tensors == parts.size() ? Units.count(tensors, "tensor") : Units.count(parts.size(), "item");
        return kind + ", " + size;
    }

    private static List<Child> parts(Value value) {
        if (value instanceof DictValue dict) {
            return entries(dict.entries());
        }
        if (value instanceof ListValue list) {
            return items(list.items());
        }
        if (value instanceof TupleValue tuple) {
            return items(tuple.items());
        }
        if (value instanceof SetValue set) {
            return items(set.items());
        }
        if (value instanceof ObjectValue object) {
            List<Child> parts = new ArrayList<>();
            object.arguments().forEach(argument -> parts.add(new Child("(argument)", argument)));
            parts.addAll(entries(object.state()));
            parts.addAll(entries(object.attributes()));
            return parts;
        }
        return List.of();
    }

    private static List<Child> entries(List<DictValue.Entry> entries) {
        return entries.stream().map(entry -> new Child(label(entry.key()), entry.value())).toList();
    }

    private static List<Child> items(List<Value> items) {
        List<Child> parts = new ArrayList<>(items.size());
        for (Value item : items) {
            parts.add(new Child("[" + parts.size() + "]", item));
        }
        return parts;
    }

    private static String label(Value key) {
        return key instanceof Value.Str text ? text.value() : key.toString();
    }

    /** As Python would print it; strings keep their quotes, so that they are told from names and numbers. */
    private static String text(Value value) {
        return value.toString();
    }

    private void line(int level, String text) {
        if (linesLeft-- > 0) {
            String indent = "  ".repeat(level);
            out.println(indent + Table.shortened(Terminal.printable(text), Math.max(40, width - indent.length())));
        }
    }
}
