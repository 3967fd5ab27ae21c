package io.torchferry;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Builds values from a packed table of nodes ({@code native/jni/pack_values.h}), in which a node comes after all nodes
 * that it refers to, and the last one is the root.
 */
final class ValueReader {
    private final PackReader in;
    private final TensorTable tensors;
    private final Value[] nodes;

    private ValueReader(byte[] packed, TensorTable tensors) {
        this.in = new PackReader(packed);
        this.tensors = tensors;
        this.nodes = new Value[in.i32()];
    }

    static Value read(byte[] packed, TensorTable tensors) {
        ValueReader reader = new ValueReader(packed, tensors);
        for (int i = 0; i < reader.nodes.length; i++) {
            reader.nodes[i] = reader.node();
        }
        return reader.nodes[reader.nodes.length - 1];
    }

    private Value node() {
        // In the order of torchferry::Value::Kind.
        int kind = in.u8();
        return switch (kind) {
            case 0 -> Value.None.INSTANCE;
            case 1 -> new Value.Bool(in.u8() != 0);
            case 2 -> new Value.Int(BigInteger.valueOf(in.i64()));
            case 3 -> new Value.Int(new BigInteger(in.string()));
            case 4 -> new Value.Real(in.f64());
            case 5 -> new Value.Complex(in.f64(), in.f64());
            case 6 -> new Value.Str(in.string());
            case 7 -> new Value.Bytes(in.bytes(), in.string());
            case 8 -> new ListValue(items());
            case 9 -> new TupleValue(in.string(), items());
            case 10 -> new SetValue(in.string(), items());
            case 11 -> new DictValue(in.string(), items(), entries(), entries());
            case 12 -> tensor();
            case 13 -> new ArrayValue(in.string(), in.longs(), in.bytes());
            case 14 -> new DTypeValue(in.string());
            case 15 -> new DeviceValue(in.string());
            case 16 -> new GlobalRef(in.string());
            case 17 -> new ObjectValue(in.string(), items(), entries(), entries());
            default -> throw new IllegalStateException("the two native libraries do not match: value kind " + kind);
        };
    }

    private Value tensor() {
        int row = in.i32();
        return new TensorRef(tensors.info(row), in.string());
    }

    private List<Value> items() {
        int count = in.i32();
        List<Value> items = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            items.add(nodes[in.i32()]);
        }
        return Collections.unmodifiableList(items);
    }

    private List<DictValue.Entry> entries() {
        int count = in.i32();
        List<DictValue.Entry> entries = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            Value key = nodes[in.i32()];
            entries.add(new DictValue.Entry(key, nodes[in.i32()]));
        }
        return Collections.unmodifiableList(entries);
    }
}
