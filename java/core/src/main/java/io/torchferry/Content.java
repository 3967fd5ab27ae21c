package io.torchferry;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What {@link Checkpoint#save(Object, java.nio.file.Path)} can write and Java has no type of its own for: dicts that
 * are filled in order, with keys of any kind, tuples, and {@code torch.Size}. Everything else is written from what Java
 * has: maps, lists, numbers, text, {@link Tensor} and {@link StateDict}.
 *
 * <pre>{@code
 * Content.dict()
 *         .put("model", weights)
 *         .put("optimizer", Content.dict().put("betas", Content.tuple(0.9, 0.999)))
 *         .put("epoch", 3)
 * }</pre>
 */
public final class Content {

    private Content() {
    }

    /** A {@code dict} without entries. */
    public static Dict dict() {
        return new Dict("", List.of(), List.of());
    }

    /** A {@code collections.OrderedDict} without entries. */
    public static Dict orderedDict() {
        return new Dict("collections.OrderedDict", List.of(), List.of());
    }

    /**
     * A copy of a dict that was read, to be changed: its entries and attributes are what they were.
     *
     * @throws IllegalStateException when the value is no dict
     */
    public static Dict dict(Value value) {
        DictValue read = value.asDict();
        Dict dict = new Dict(read.className(), read.arguments(), read.attributes());
        read.entries().forEach(entry -> dict.put(entry.key(), entry.value()));
        return dict;
    }

    /** A {@code tuple} of anything that can be saved. */
    public static Tuple tuple(Object... items) {
        return new Tuple(Collections.unmodifiableList(new ArrayList<>(Arrays.asList(items))));
    }

    /**
     * A tensor of an opened checkpoint as {@code state_dict()} gives it: not a Parameter, without
     * {@code requires_grad}, whatever it was saved as.
     */
    public static Data data(TensorInfo tensor) {
        return new Data(tensor);
    }

    /** A {@code torch.Size}. */
    public static Value size(long... sizes) {
        List<Value> items = new ArrayList<>();
        for (long size : sizes) {
            items.add(new Value.Int(BigInteger.valueOf(size)));
        }
        return new TupleValue("torch.Size", Collections.unmodifiableList(items));
    }

    /**
     * A tuple.
     *
     * @param items its items, of any class that can be saved
     */
    public record Tuple(List<Object> items) {
    }

    /**
     * What {@link #data} gives.
     *
     * @param tensor a tensor of a checkpoint that is open when this is saved
     */
    public record Data(TensorInfo tensor) {
    }

    /** A dict that can be changed. For one thread. */
    public static final class Dict {
        private final String className;
        private final List<Value> arguments;
        private final List<DictValue.Entry> attributes;
        private final Map<Object, Entry> entries = new LinkedHashMap<>();

        /** Key and value as they were given. */
        record Entry(Object key, Object value) {
        }

        private Dict(String className, List<Value> arguments, List<DictValue.Entry> attributes) {
            this.className = className;
            this.arguments = arguments;
            this.attributes = attributes;
        }

        /**
         * Sets the value of a key: in its old place, or at the end.
         *
         * @param key as everything that can be saved and Python can hash; a plain key and the {@link Value} of it are
         *     the same
         */
        public Dict put(Object key, Object value) {
            entries.put(same(key), new Entry(key, value));
            return this;
        }

        /** Takes a key out, if it is there. */
        public Dict remove(Object key) {
            entries.remove(same(key));
            return this;
        }

        /** Whether the key is there. */
        public boolean containsKey(Object key) {
            return entries.containsKey(same(key));
        }

        /** Number of entries. */
        public int size() {
            return entries.size();
        }

        String className() {
            return className;
        }

        List<Value> arguments() {
            return arguments;
        }

        List<DictValue.Entry> attributes() {
            return attributes;
        }

        Iterable<Entry> entries() {
            return entries.values();
        }

        /** What equal keys have in common. */
        private static Object same(Object key) {
            if (key instanceof String text) {
                return new Value.Str(text);
            }
            if (key instanceof Byte || key instanceof Short || key instanceof Integer || key instanceof Long) {
                return new Value.Int(BigInteger.valueOf(((Number) key).longValue()));
            }
            if (key instanceof BigInteger number) {
                return new Value.Int(number);
            }
            if (key instanceof Boolean bool) {
                return new Value.Bool(bool);
            }
            return Objects.requireNonNullElse(key, Value.None.INSTANCE);
        }
    }
}
