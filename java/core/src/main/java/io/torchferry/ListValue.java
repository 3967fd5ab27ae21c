package io.torchferry;

import java.util.List;

/** A {@code list}. */
public final class ListValue implements Value {
    private final List<Value> items;

    ListValue(List<Value> items) {
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

    /**
     * The item at an index.
     *
     * @throws IndexOutOfBoundsException when there is none
     */
    public Value get(int index) {
        return items.get(index);
    }

    /** As Python prints it, cut short where it is long. */
    @Override
    public String toString() {
        return ValueText.of(this);
    }
}
