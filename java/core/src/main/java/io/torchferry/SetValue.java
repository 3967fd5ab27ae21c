package io.torchferry;

import java.util.List;

/** A {@code set} or {@code frozenset}, in the order of the file. */
public final class SetValue implements Value {
    private final String className;
    private final List<Value> items;

    SetValue(String className, List<Value> items) {
        this.className = className;
        this.items = items;
    }

    /** {@code "frozenset"}; "" for a plain set. */
    public String className() {
        return className;
    }

    /** The items, unmodifiable. */
    public List<Value> items() {
        return items;
    }

    /** Number of items. */
    public int size() {
        return items.size();
    }

    /** As Python prints it, cut short where it is long. */
    @Override
    public String toString() {
        return ValueText.of(this);
    }
}
