package io.torchferry;

import java.util.List;

/** A {@code set} or {@code frozenset}, in the order of the file. */
public final class SetValue implements Value {
    private final List<Value> items;

    SetValue(List<Value> items) {
        this.items = items;
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
