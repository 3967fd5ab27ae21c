package io.torchferry;

import java.io.IOException;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.LongStream;

/**
 * Content to be saved as native code takes it: a table of nodes like that of {@link ValueReader}, in which a node comes
 * after all nodes that it refers to, and the owners of the tensors in it. An object that stands in two places is one
 * node.
 */
final class ContentPacking {
    /** Containers inside containers; as in {@code native/src/torch/save_content.cpp}. */
    private static final int MOST_DEPTH = 1000;
    /** What is walked on the stack of the thread that saves; deeper content needs more than it may have. */
    private static final int ORDINARY_DEPTH = 128;
    /** Bytes; five frames a level, which take at most a few hundred bytes each. */
    private static final long DEEP_STACK = 16L << 20;
    private static final BigInteger LEAST_LONG = BigInteger.valueOf(Long.MIN_VALUE);
    private static final BigInteger MOST_LONG = BigInteger.valueOf(Long.MAX_VALUE);
    private static final int UNFINISHED = -1;

    // In the order of torchferry::Value::Kind.
    private static final int NONE = 0;
    private static final int BOOL = 1;
    private static final int INT = 2;
    private static final int BIG_INT = 3;
    private static final int REAL = 4;
    private static final int COMPLEX = 5;
    private static final int STRING = 6;
    private static final int BYTES = 7;
    private static final int LIST = 8;
    private static final int TUPLE = 9;
    private static final int SET = 10;
    private static final int DICT = 11;
    private static final int SAVED_TENSOR = 12;
    private static final int ARRAY = 13;
    private static final int DTYPE = 14;
    private static final int DEVICE = 15;
    private static final int GLOBAL = 16;
    private static final int OBJECT = 17;
    // Beyond those.
    private static final int STATE_DICT = 18;
    private static final int TENSOR = 19;

    /** The tensors of one checkpoint: their rows by the order in which they are met. */
    private static final class Rows {
        final Handle checkpoint;
        final int number;
        final Map<Integer, Integer> places = new LinkedHashMap<>();

        Rows(Handle checkpoint, int number) {
            this.checkpoint = checkpoint;
            this.number = number;
        }
    }

    private final PackWriter nodes = new PackWriter();
    private final Map<Object, Integer> numbers = new IdentityHashMap<>();
    private final Map<TensorIndex, Integer> dicts = new LinkedHashMap<>();
    private final Map<TensorTable, Rows> checkpoints = new LinkedHashMap<>();
    private int count;
    private int tensors;
    private final int mostDepth;
    private int depth;
    private int deepest;

    private ContentPacking(int mostDepth) {
        this.mostDepth = mostDepth;
    }

    static ContentPacking of(Object content) {
        try {
            return walked(content, ORDINARY_DEPTH);
        } catch (TooDeepException deeper) {
            return onDeepStack(() -> walked(content, MOST_DEPTH));
        }
    }

    private static ContentPacking walked(Object content, int mostDepth) {
        ContentPacking packing = new ContentPacking(mostDepth);
        packing.add(content);
        return packing;
    }

    private static ContentPacking onDeepStack(Callable<ContentPacking> walk) {
        FutureTask<ContentPacking> task = new FutureTask<>(walk);
        new Thread(null, task, "torchferry-deep-content", DEEP_STACK).start();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return task.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof Error error) {
                        throw error;
                    }
                    throw (RuntimeException) e.getCause();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static final class TooDeepException extends IllegalArgumentException {
        private static final long serialVersionUID = 1L;

        TooDeepException() {
            super("containers are nested deeper than " + MOST_DEPTH
                    + ", which Python's pickler would not write either");
        }
    }

    /** How many tensors there are, one that stands in several places counted once. */
    int tensors() {
        return tensors;
    }

    /** Work on the packed content while the owners of its tensors stay open. */
    @FunctionalInterface
    interface Use<R> {
        R with(byte[] packed, long[] dicts, long[] checkpoints) throws IOException;
    }

    <R> R use(Use<R> work) throws IOException {
        List<Handle> handles = new ArrayList<>();
        dicts.keySet().forEach(dict -> handles.add(dict.handle()));
        checkpoints.values().forEach(rows -> handles.add(rows.checkpoint));
        byte[] packed = packed();
        return Handle.useAll(handles.toArray(Handle[]::new), pointers -> work.with(packed,
                LongStream.of(pointers).limit(dicts.size()).toArray(),
                LongStream.of(pointers).skip(dicts.size()).toArray()));
    }

    private byte[] packed() {
        PackWriter out = new PackWriter().i32(deepest).i32(checkpoints.size());
        for (Rows rows : checkpoints.values()) {
            out.i32(rows.places.size());
            rows.places.keySet().forEach(out::i32);
        }
        return out.i32(count).raw(nodes).bytes();
    }

    /** The number of the object's node. */
    private int add(Object object) {
        if (object == null || object instanceof Boolean || object instanceof Number || object instanceof String) {
            return scalar(object);
        }
        Integer known = numbers.get(object);
        if (known != null) {
            if (known == UNFINISHED) {
                throw new IllegalArgumentException("the content contains itself: a " + nameOf(object));
            }
            return known;
        }
        numbers.put(object, UNFINISHED);
        if (++depth > mostDepth) {
            throw new TooDeepException();
        }
        deepest = Math.max(deepest, depth);
        int number = object instanceof Value value ? value(value) : plain(object);
        depth--;
        numbers.put(object, number);
        return number;
    }

    private int begin(int kind) {
        nodes.u8(kind);
        return count++;
    }

    private int scalar(Object object) {
        if (object == null) {
            return begin(NONE);
        }
        if (object instanceof Boolean bool) {
            return bool(bool);
        }
        if (object instanceof String text) {
            return text(STRING, text);
        }
        if (object instanceof Float || object instanceof Double) {
            return real(((Number) object).doubleValue());
        }
        if (object instanceof BigInteger integer) {
            return integer(integer);
        }
        if (object instanceof Byte || object instanceof Short || object instanceof Integer || object instanceof Long) {
            return integer(BigInteger.valueOf(((Number) object).longValue()));
        }
        throw refused(object);
    }

    private int bool(boolean value) {
        int number = begin(BOOL);
        nodes.u8(value ? 1 : 0);
        return number;
    }

    private int real(double value) {
        int number = begin(REAL);
        nodes.f64(value);
        return number;
    }

    private int integer(BigInteger value) {
        if (value.compareTo(LEAST_LONG) < 0 || value.compareTo(MOST_LONG) > 0) {
            return text(BIG_INT, value.toString());
        }
        int number = begin(INT);
        nodes.i64(value.longValue());
        return number;
    }

    private int text(int kind, String text) {
        int number = begin(kind);
        nodes.string(text);
        return number;
    }

    private int bytes(byte[] value, String className) {
        int number = begin(BYTES);
        nodes.bytes(value).string(className);
        return number;
    }

    private int plain(Object object) {
        if (object instanceof byte[] bytes) {
            return bytes(bytes, "");
        }
        if (object instanceof StateDict dict) {
            tensors += dict.size();
            int number = begin(STATE_DICT);
            nodes.i32(dictNumber(dict.index()));
            return number;
        }
        if (object instanceof Tensor tensor) {
            tensors++;
            int number = begin(TENSOR);
            nodes.i32(dictNumber(tensor.owner())).i32(tensor.indexInOwner());
            return number;
        }
        if (object instanceof TensorInfo info) {
            return savedTensor(info, false);
        }
        if (object instanceof Content.Data data) {
            return savedTensor(data.tensor(), true);
        }
        if (object instanceof DType dtype) {
            return text(DTYPE, dtype.torchName());
        }
        if (object instanceof Device device) {
            return text(DEVICE, device.toString());
        }
        return container(object);
    }

    private int container(Object object) {
        if (object instanceof Content.Dict dict) {
            List<Object> pairs = new ArrayList<>();
            dict.entries().forEach(entry -> pairs.addAll(Arrays.asList(entry.key(), entry.value())));
            return dict(dict.className(), dict.arguments(), pairs, flat(dict.attributes()));
        }
        if (object instanceof Content.Tuple tuple) {
            return sequence(TUPLE, "", tuple.items());
        }
        if (object instanceof Map<?, ?> map) {
            List<Object> pairs = new ArrayList<>();
            map.forEach((key, value) -> pairs.addAll(Arrays.asList(key, value)));
            return dict("", List.of(), pairs, List.of());
        }
        if (object instanceof List<?> list) {
            return sequence(LIST, null, list);
        }
        if (object instanceof Set<?> set) {
            return sequence(SET, "", set);
        }
        return sequence(LIST, null, numbers(object));
    }

    private static List<?> numbers(Object object) {
        if (object instanceof int[] ints) {
            return Arrays.stream(ints).boxed().toList();
        }
        if (object instanceof long[] longs) {
            return Arrays.stream(longs).boxed().toList();
        }
        if (object instanceof double[] doubles) {
            return Arrays.stream(doubles).boxed().toList();
        }
        if (object instanceof float[] floats) {
            List<Float> list = new ArrayList<>(floats.length);
            for (float one : floats) {
                list.add(one);
            }
            return list;
        }
        throw refused(object);
    }

    private static IllegalArgumentException refused(Object object) {
        return new IllegalArgumentException("a " + nameOf(object) + " has no form in a checkpoint; Checkpoint.save "
                + "takes null, Boolean, integers, Float, Double, String, byte[], Map, List, Set, number arrays, "
                + "Tensor, TensorInfo, StateDict, DType, Device, Content and Value");
    }

    private static String nameOf(Object object) {
        return object.getClass().getTypeName();
    }

    private int dictNumber(TensorIndex owner) {
        return dicts.computeIfAbsent(owner, index -> dicts.size());
    }

    /** @param className null where the kind has none */
    private int sequence(int kind, String className, Collection<?> items) {
        int[] below = addAll(items);
        int number = begin(kind);
        if (className != null) {
            nodes.string(className);
        }
        refer(below);
        return number;
    }

    private int dict(String className, List<?> arguments, List<?> entries, List<?> attributes) {
        int[] argumentNumbers = addAll(arguments);
        int[] entryNumbers = addAll(entries);
        int[] attributeNumbers = addAll(attributes);
        int number = begin(DICT);
        nodes.string(className);
        refer(argumentNumbers);
        refer(entryNumbers);
        refer(attributeNumbers);
        return number;
    }

    /** A plain loop: as few frames for each level of nesting as can be. */
    private int[] addAll(Collection<?> objects) {
        int[] below = new int[objects.size()];
        int n = 0;
        for (Object object : objects) {
            below[n++] = add(object);
        }
        return below;
    }

    private void refer(int[] below) {
        nodes.i32(below.length);
        for (int one : below) {
            nodes.i32(one);
        }
    }

    private static List<Object> flat(List<DictValue.Entry> entries) {
        List<Object> pairs = new ArrayList<>(2 * entries.size());
        entries.forEach(entry -> pairs.addAll(Arrays.asList(entry.key(), entry.value())));
        return pairs;
    }

    private int value(Value value) {
        if (value instanceof Value.None) {
            return begin(NONE);
        }
        if (value instanceof Value.Bool bool) {
            return bool(bool.value());
        }
        if (value instanceof Value.Int integer) {
            return integer(integer.value());
        }
        if (value instanceof Value.Real real) {
            return real(real.value());
        }
        if (value instanceof Value.Complex complex) {
            int number = begin(COMPLEX);
            nodes.f64(complex.real()).f64(complex.imaginary());
            return number;
        }
        if (value instanceof Value.Str text) {
            return text(STRING, text.value());
        }
        if (value instanceof Value.Bytes bytes) {
            return bytes(bytes.value(), bytes.className());
        }
        if (value instanceof ListValue list) {
            return sequence(LIST, null, list.items());
        }
        if (value instanceof TupleValue tuple) {
            return sequence(TUPLE, tuple.className(), tuple.items());
        }
        if (value instanceof SetValue set) {
            return sequence(SET, set.className(), set.items());
        }
        if (value instanceof DictValue dict) {
            return dict(dict.className(), dict.arguments(), flat(dict.entries()), flat(dict.attributes()));
        }
        return special(value);
    }

    private int special(Value value) {
        if (value instanceof TensorRef tensor) {
            return savedTensor(tensor.info(), false);
        }
        if (value instanceof ArrayValue array) {
            byte[] data = new byte[array.data().remaining()];
            array.data().get(data);
            int number = begin(ARRAY);
            nodes.string(array.dtype()).i32(array.shape().length);
            for (long size : array.shape()) {
                nodes.i64(size);
            }
            nodes.bytes(data);
            return number;
        }
        if (value instanceof DTypeValue dtype) {
            return text(DTYPE, dtype.name());
        }
        if (value instanceof DeviceValue device) {
            return text(DEVICE, device.name());
        }
        if (value instanceof GlobalRef global) {
            return text(GLOBAL, global.name());
        }
        ObjectValue object = (ObjectValue) value;
        int[] arguments = addAll(object.arguments());
        int[] state = addAll(flat(object.state()));
        int number = begin(OBJECT);
        nodes.string(object.className());
        refer(arguments);
        refer(state);
        return number;
    }

    private int savedTensor(TensorInfo info, boolean asData) {
        Rows rows = checkpoints.computeIfAbsent(info.table(),
                table -> new Rows(table.checkpoint(), checkpoints.size()));
        int place = rows.places.computeIfAbsent(info.row(), row -> rows.places.size());
        tensors++;
        int number = begin(SAVED_TENSOR);
        nodes.i32(rows.number).i32(place).u8(asData ? 1 : 0);
        return number;
    }
}
