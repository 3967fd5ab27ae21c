package io.torchferry;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/** A {@code dict} with keys of any kind, in the order of the file. */
public final class DictValue implements Value {

    /**
     * One entry.
     *
     * @param key the key, of any kind
     * @param value the value
     */
    public record Entry(Value key, Value value) {
    }

    private final String className;
    private final List<Value> arguments;
    private final List<Entry> entries;
    private final List<Entry> attributes;
    private volatile Map<Value, Value> index;

    DictValue(String className, List<Value> arguments, List<Entry> entries, List<Entry> attributes) {
        this.className = className;
        this.arguments = arguments;
        this.entries = entries;
        this.attributes = attributes;
    }

    /** {@code "collections.OrderedDict"} and the like; "" for a plain dict. */
    public String className() {
        return className;
    }

    /** What its constructor was called with: a {@code defaultdict}'s factory, else nothing. */
    public List<Value> arguments() {
        return arguments;
    }

    /** The entries, unmodifiable. */
    public List<Entry> entries() {
        return entries;
    }

    /** Attributes set on the dict itself, such as the {@code _metadata} of a state dict. */
    public List<Entry> attributes() {
        return attributes;
    }

    /** Number of entries. */
    public int size() {
        return entries.size();
    }

    /** The keys that are strings, in order. */
    public List<String> names() {
        List<String> names = new ArrayList<>();
        for (Entry entry : entries) {
            if (entry.key() instanceof Str name) {
                names.add(name.value());
            }
        }
        return names;
    }

    /** Whether the string is a key. */
    public boolean containsKey(String key) {
        return index().containsKey(new Str(key));
    }

    /**
     * The value of an integer key.
     *
     * @throws NoSuchElementException when there is none
     */
    public Value get(long key) {
        Value value = index().get(new Int(BigInteger.valueOf(key)));
        if (value == null) {
            throw new NoSuchElementException(ValuePath.missing(this, Long.toString(key)));
        }
        return value;
    }

    /** The value of a string or integer key, or null. */
    Value lookup(Value key) {
        return index().get(key);
    }

    private Map<Value, Value> index() {
        Map<Value, Value> known = index;
        if (known == null) {
            known = new HashMap<>();
            for (Entry entry : entries) {
                if (entry.key() instanceof Str || entry.key() instanceof Int) {
                    known.put(entry.key(), entry.value());
                }
            }
            index = known;
        }
        return known;
    }

    /** As Python prints it, cut short where it is long. */
    @Override
    public String toString() {
        return ValueText.of(this);
    }
}
