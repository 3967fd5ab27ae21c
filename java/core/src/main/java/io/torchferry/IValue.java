package io.torchferry;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * An argument or a result of a {@link ScriptModule}'s method: what Python would pass or get. An optional is its value or
 * {@link #none}. Immutable as a container; tensors inside stand alone, as {@link Tensor} says.
 */
public sealed interface IValue {

    /** {@code None}. */
    record OfNone() implements IValue {
        static final OfNone INSTANCE = new OfNone();
    }

    /** A tensor. */
    record OfTensor(Tensor value) implements IValue {
        /** Must not be null. */
        public OfTensor {
            Objects.requireNonNull(value, "value");
        }
    }

    /** A bool. */
    record OfBool(boolean value) implements IValue {
    }

    /** An int of 64 bits. */
    record OfInt(long value) implements IValue {
    }

    /** A Python float. */
    record OfFloat(double value) implements IValue {
    }

    /** A str. */
    record OfString(String value) implements IValue {
        /** Must not be null. */
        public OfString {
            Objects.requireNonNull(value, "value");
        }
    }

    /** A list. TorchScript's lists have one type of element; an empty one takes the type that the method wants. */
    record OfList(List<IValue> items) implements IValue {
        /** Copies the list. */
        public OfList {
            items = List.copyOf(items);
        }
    }

    /** A tuple. */
    record OfTuple(List<IValue> items) implements IValue {
        /** Copies the list. */
        public OfTuple {
            items = List.copyOf(items);
        }
    }

    /** A dict, in order; keys are strings, ints, floats, bools or tensors. */
    record OfDict(Map<IValue, IValue> entries) implements IValue {
        /** Copies the map. */
        public OfDict {
            entries = Collections.unmodifiableMap(new LinkedHashMap<>(entries));
        }
    }

    /** {@code None}: also an optional that is not there. */
    static IValue none() {
        return OfNone.INSTANCE;
    }

    /** A tensor. */
    static IValue of(Tensor value) {
        return new OfTensor(value);
    }

    /** A bool. */
    static IValue of(boolean value) {
        return new OfBool(value);
    }

    /** An int. */
    static IValue of(long value) {
        return new OfInt(value);
    }

    /** A float. */
    static IValue of(double value) {
        return new OfFloat(value);
    }

    /** A str. */
    static IValue of(String value) {
        return new OfString(value);
    }

    /** A list. */
    static IValue list(IValue... items) {
        return new OfList(Arrays.asList(items));
    }

    /** A list of ints. */
    static IValue list(long... items) {
        return new OfList(Arrays.stream(items).mapToObj(IValue::of).toList());
    }

    /** A list of floats. */
    static IValue list(double... items) {
        return new OfList(Arrays.stream(items).mapToObj(IValue::of).toList());
    }

    /** A tuple. */
    static IValue tuple(IValue... items) {
        return new OfTuple(Arrays.asList(items));
    }

    /** A dict with strings as keys. */
    static IValue dict(Map<String, IValue> entries) {
        Map<IValue, IValue> all = new LinkedHashMap<>();
        entries.forEach((key, value) -> all.put(of(key), value));
        return new OfDict(all);
    }

    /** Whether this is {@code None}. */
    default boolean isNone() {
        return this instanceof OfNone;
    }

    /** @throws IllegalStateException when this is no tensor, as the methods below for their kinds */
    default Tensor asTensor() {
        return require(OfTensor.class).value();
    }

    /** The bool. */
    default boolean asBoolean() {
        return require(OfBool.class).value();
    }

    /** The int. */
    default long asLong() {
        return require(OfInt.class).value();
    }

    /** The float, or the int as one. */
    default double asDouble() {
        return this instanceof OfInt whole ? whole.value() : require(OfFloat.class).value();
    }

    /** The str. */
    default String asString() {
        return require(OfString.class).value();
    }

    /** The items of a list or tuple. */
    default List<IValue> asList() {
        return this instanceof OfTuple tuple ? tuple.items() : require(OfList.class).items();
    }

    /** The entries of a dict with strings as keys. */
    default Map<String, IValue> asDict() {
        Map<String, IValue> entries = new LinkedHashMap<>();
        require(OfDict.class).entries().forEach((key, value) -> entries.put(key.asString(), value));
        return Collections.unmodifiableMap(entries);
    }

    private <T> T require(Class<T> kind) {
        if (kind.isInstance(this)) {
            return kind.cast(this);
        }
        throw new IllegalStateException("a " + getClass().getSimpleName().substring(2) + " was given where a "
                + kind.getSimpleName().substring(2) + " is asked for");
    }
}
