package io.torchferry;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Carries {@link IValue}s over the border: packed as {@code native/jni/torch/pack_ivalues.cpp} reads and writes them. */
final class IValues {
    private static final int NONE = 0;
    private static final int TENSOR = 1;
    private static final int BOOL = 2;
    private static final int INT = 3;
    private static final int FLOAT = 4;
    private static final int STRING = 5;
    private static final int LIST = 6;
    private static final int TUPLE = 7;
    private static final int DICT = 8;

    /** Tensors in the order in which they are packed. */
    private final List<Tensor> tensors = new ArrayList<>();
    private final PackWriter out = new PackWriter();

    IValues(List<IValue> values, Map<String, IValue> named) {
        out.i32(values.size());
        values.forEach(this::write);
        out.i32(named.size());
        named.forEach((name, value) -> {
            out.string(name);
            write(value);
        });
    }

    byte[] packed() {
        return out.bytes();
    }

    List<Tensor> tensors() {
        return tensors;
    }

    private void write(IValue value) {
        if (value instanceof IValue.OfNone) {
            out.i32(NONE);
        } else if (value instanceof IValue.OfTensor tensor) {
            out.i32(TENSOR);
            tensors.add(tensor.value());
        } else if (value instanceof IValue.OfBool bool) {
            out.i32(BOOL).i32(bool.value() ? 1 : 0);
        } else if (value instanceof IValue.OfInt whole) {
            out.i32(INT).i64(whole.value());
        } else if (value instanceof IValue.OfFloat real) {
            out.i32(FLOAT).i64(Double.doubleToRawLongBits(real.value()));
        } else if (value instanceof IValue.OfString text) {
            out.i32(STRING).string(text.value());
        } else if (value instanceof IValue.OfList list) {
            write(LIST, list.items());
        } else if (value instanceof IValue.OfTuple tuple) {
            write(TUPLE, tuple.items());
        } else if (value instanceof IValue.OfDict dict) {
            out.i32(DICT).i32(dict.entries().size());
            dict.entries().forEach((key, entry) -> {
                write(key);
                write(entry);
            });
        }
    }

    private void write(int tag, List<IValue> items) {
        out.i32(tag).i32(items.size());
        items.forEach(this::write);
    }

    /** Reads a result and takes its tensors over. */
    static IValue read(byte[] packed) {
        return read(new PackReader(packed));
    }

    private static IValue read(PackReader in) {
        int tag = in.i32();
        return switch (tag) {
            case NONE -> IValue.none();
            case TENSOR -> IValue.of(Tensors.alone(in.i64()));
            case BOOL -> IValue.of(in.i32() != 0);
            case INT -> IValue.of(in.i64());
            case FLOAT -> IValue.of(in.f64());
            case STRING -> IValue.of(in.string());
            case LIST -> new IValue.OfList(readItems(in));
            case TUPLE -> new IValue.OfTuple(readItems(in));
            case DICT -> readDict(in);
            default -> throw new IllegalStateException("no value has the tag " + tag);
        };
    }

    private static List<IValue> readItems(PackReader in) {
        List<IValue> items = new ArrayList<>();
        for (int n = in.i32(); n > 0; n--) {
            items.add(read(in));
        }
        return items;
    }

    private static IValue readDict(PackReader in) {
        Map<IValue, IValue> entries = new LinkedHashMap<>();
        for (int n = in.i32(); n > 0; n--) {
            IValue key = read(in);
            entries.put(key, read(in));
        }
        return new IValue.OfDict(entries);
    }
}
