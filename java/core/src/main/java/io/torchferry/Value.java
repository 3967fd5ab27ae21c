package io.torchferry;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * A value of a checkpoint's content, as inert data: what Python would have made of it, and for classes that are not
 * known, what was written. Nothing of the file is ever run. Immutable, never cyclic, usable after its checkpoint is
 * closed, safe from any thread.
 *
 * <p>A value that the file refers to twice is one object here. So a small file can describe a structure that takes
 * for ever to walk; {@code toString} gives up after a few thousand characters, and containers compare by identity.
 */
public sealed interface Value
        permits Value.None, Value.Bool, Value.Int, Value.Real, Value.Complex, Value.Str, Value.Bytes, ListValue,
        TupleValue, SetValue, DictValue, ObjectValue, TensorRef, ArrayValue, DTypeValue, DeviceValue, GlobalRef {

    /** {@code None}. */
    record None() implements Value {
        static final None INSTANCE = new None();

        @Override
        public String toString() {
            return "None";
        }
    }

    /**
     * A {@code bool}.
     *
     * @param value it
     */
    record Bool(boolean value) implements Value {
        @Override
        public String toString() {
            return value ? "True" : "False";
        }
    }

    /**
     * An {@code int}, of any size.
     *
     * @param value it
     */
    record Int(BigInteger value) implements Value {
        @Override
        public String toString() {
            return value.toString();
        }
    }

    /**
     * A {@code float}.
     *
     * @param value it
     */
    record Real(double value) implements Value {
        @Override
        public String toString() {
            return PythonText.real(value);
        }
    }

    /**
     * A {@code complex}.
     *
     * @param real the real part
     * @param imaginary the imaginary part
     */
    record Complex(double real, double imaginary) implements Value {
        @Override
        public String toString() {
            return "complex(" + PythonText.real(real) + ", " + PythonText.real(imaginary) + ")";
        }
    }

    /**
     * A {@code str}. Lone surrogates, which Python allows, are kept.
     *
     * @param value it
     */
    record Str(String value) implements Value {
        @Override
        public String toString() {
            return PythonText.quote(value);
        }
    }

    /** A {@code bytes} or {@code bytearray}. */
    final class Bytes implements Value {
        private final byte[] value;
        private final String className;

        Bytes(byte[] value, String className) {
            this.value = value;
            this.className = className;
        }

        Bytes(byte[] value) {
            this(value, "");
        }

        /** {@code "bytearray"}; "" for {@code bytes}. */
        public String className() {
            return className;
        }

        /** A fresh copy of the bytes. */
        public byte[] value() {
            return value.clone();
        }

        /** Number of bytes. */
        public int length() {
            return value.length;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Bytes bytes && Arrays.equals(bytes.value, value);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(value);
        }

        @Override
        public String toString() {
            return PythonText.quote(value);
        }
    }

    /**
     * What is at the end of a path. A step is a dict key (the text of a string, or an integer's digits), an index into
     * a list or tuple, or an attribute of an object. No step at all is this value.
     */
    default Optional<Value> find(String... path) {
        Value at = this;
        for (String step : path) {
            at = ValuePath.step(at, step);
            if (at == null) {
                return Optional.empty();
            }
        }
        return Optional.of(at);
    }

    /**
     * Like {@link #find}.
     *
     * @throws NoSuchElementException telling what is there, when there is no such place
     */
    default Value get(String... path) {
        Value at = this;
        for (String step : path) {
            Value next = ValuePath.step(at, step);
            if (next == null) {
                throw new NoSuchElementException(ValuePath.missing(at, step));
            }
            at = next;
        }
        return at;
    }

    /** Whether this is {@code None}. */
    default boolean isNone() {
        return this instanceof None;
    }

    /**
     * An {@code int}, or an integer numpy scalar.
     *
     * @throws IllegalStateException when this is neither
     * @throws ArithmeticException when it does not fit
     */
    default long asLong() {
        if (this instanceof Int integer) {
            return integer.value().longValueExact();
        }
        if (this instanceof ArrayValue array && array.isScalar() && array.isInteger()) {
            return array.longValue();
        }
        throw ValuePath.unexpected("an int", this);
    }

    /**
     * Like {@link #asLong}, for ints that fit 32 bits.
     *
     * @throws IllegalStateException when this is no int
     * @throws ArithmeticException when it does not fit
     */
    default int asInt() {
        return Math.toIntExact(asLong());
    }

    /**
     * A {@code float}, an {@code int} (rounded to the nearest double), or a real numpy scalar.
     *
     * @throws IllegalStateException when this is none of them
     */
    default double asDouble() {
        if (this instanceof Real number) {
            return number.value();
        }
        if (this instanceof Int integer) {
            return integer.value().doubleValue();
        }
        if (this instanceof ArrayValue array && array.isScalar()) {
            return array.doubleValue();
        }
        throw ValuePath.unexpected("a float", this);
    }

    /**
     * A {@code bool}, or a numpy one.
     *
     * @throws IllegalStateException when this is neither
     */
    default boolean asBoolean() {
        if (this instanceof Bool bool) {
            return bool.value();
        }
        if (this instanceof ArrayValue array && array.isScalar() && array.isBoolean()) {
            return array.data().get(0) != 0;
        }
        throw ValuePath.unexpected("a bool", this);
    }

    /**
     * A {@code str}.
     *
     * @throws IllegalStateException when this is none
     */
    default String asString() {
        if (this instanceof Str text) {
            return text.value();
        }
        throw ValuePath.unexpected("a str", this);
    }

    /**
     * {@code bytes} or a {@code bytearray}, a fresh copy.
     *
     * @throws IllegalStateException when this is neither
     */
    default byte[] asBytes() {
        if (this instanceof Bytes bytes) {
            return bytes.value();
        }
        throw ValuePath.unexpected("bytes", this);
    }

    /**
     * A tensor.
     *
     * @throws IllegalStateException when this is none
     */
    default TensorInfo asTensor() {
        if (this instanceof TensorRef tensor) {
            return tensor.info();
        }
        throw ValuePath.unexpected("a tensor", this);
    }

    /**
     * A numpy array or scalar.
     *
     * @throws IllegalStateException when this is none
     */
    default ArrayValue asArray() {
        if (this instanceof ArrayValue array) {
            return array;
        }
        throw ValuePath.unexpected("a numpy array", this);
    }

    /**
     * The items of a list, tuple or set.
     *
     * @throws IllegalStateException when this is none of them
     */
    default List<Value> asList() {
        if (this instanceof ListValue list) {
            return list.items();
        }
        if (this instanceof TupleValue tuple) {
            return tuple.items();
        }
        if (this instanceof SetValue set) {
            return set.items();
        }
        throw ValuePath.unexpected("a list", this);
    }

    /**
     * A dict.
     *
     * @throws IllegalStateException when this is none
     */
    default DictValue asDict() {
        if (this instanceof DictValue dict) {
            return dict;
        }
        throw ValuePath.unexpected("a dict", this);
    }
}
