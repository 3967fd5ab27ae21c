package io.torchferry;

import java.util.List;

/** A {@code tuple}, also a {@code torch.Size}. */
public final class TupleValue implements Value {
    private final String className;
    private final List<Value> items;

    TupleValue(String className, List<Value> items) {
        this.className = className;
        this.items = items;
    }

    /** {@code "torch.Size"} and the like; "" for a plain tuple. */
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
