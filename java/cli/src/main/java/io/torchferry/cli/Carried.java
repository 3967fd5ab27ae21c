package io.torchferry.cli;

import io.torchferry.ArrayValue;
import io.torchferry.Content;
import io.torchferry.DictValue;
import io.torchferry.GlobalRef;
import io.torchferry.ListValue;
import io.torchferry.ObjectValue;
import io.torchferry.SetValue;
import io.torchferry.TensorRef;
import io.torchferry.TupleValue;
import io.torchferry.Value;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What of a content can be carried over into a file that holds plain values only, and what cannot. */
final class Carried {
    private static final Object NOTHING = new Object();
    private static final String LAYOUT = "torch.serialization._get_layout";

    /**
     * Something that is left behind.
     *
     * @param path its place
     * @param what its kind, in a word or two
     */
    record Leftover(String path, String what) {}

    private final List<String> opaqueGlobals;
    private final List<Leftover> leftovers = new ArrayList<>();
    /** Values that hold nothing unknown are carried over as they are. */
    private final Map<Value, Object> carried = new IdentityHashMap<>();
    private Object content;

    private Carried(List<String> opaqueGlobals) {
        this.opaqueGlobals = opaqueGlobals;
    }

    /** @param opaqueGlobals names that are not plain data */
    static Carried of(Value value, List<String> opaqueGlobals) {
        Carried carried = new Carried(opaqueGlobals);
        carried.content = carried.carry(value, "");
        return carried;
    }

    /** Objects of unknown classes, which are not carried over. */
    List<Leftover> leftovers() {
        return leftovers;
    }

    /** The content without them: their dict entries are missing, None stands for them in lists. */
    Object content() {
        return content;
    }

    /** Whether this is a dict of names and tensors. */
    static boolean isStateDict(Value value) {
        return value instanceof DictValue dict && dict.entries().stream()
                .allMatch(entry -> entry.key() instanceof Value.Str && entry.value() instanceof TensorRef);
    }

    /** Everything that holds no tensor, by its place: the largest parts that do not. */
    static List<Leftover> others(Value value) {
        Map<Value, Boolean> holding = new IdentityHashMap<>();
        List<Leftover> found = new ArrayList<>();
        boolean empty = value instanceof DictValue dict && dict.entries().isEmpty();
        if (holdsTensors(value, holding)) {
            Set<Value> entered = Collections.newSetFromMap(new IdentityHashMap<>());
            findOthers(value, "", holding, entered, found);
        } else if (!empty) {
            found.add(new Leftover("the content", what(value)));
        }
        return found;
    }

    /** Whether it is a tensor or a container with one somewhere below. */
    private static boolean holdsTensors(Value value, Map<Value, Boolean> known) {
        if (value instanceof TensorRef) {
            return true;
        }
        Boolean before = known.get(value);
        if (before == null) {
            before = false;
            for (DictValue.Entry below : below(value)) {
                before |= holdsTensors(below.value(), known);
            }
            known.put(value, before);
        }
        return before;
    }

    /** Only what holds tensors is entered, and a part that stands in two places is entered once. */
    private static void findOthers(Value value, String path, Map<Value, Boolean> holding, Set<Value> entered,
            List<Leftover> found) {
        for (DictValue.Entry below : below(value)) {
            String place = joined(path, text(below.key()));
            if (!holdsTensors(below.value(), holding)) {
                found.add(new Leftover(place, what(below.value())));
            } else if (!(below.value() instanceof TensorRef) && entered.add(below.value())) {
                findOthers(below.value(), place, holding, entered, found);
            }
        }
    }

    /** What stands directly in a container, under its key or index. */
    private static List<DictValue.Entry> below(Value value) {
        if (value instanceof DictValue dict) {
            return dict.entries();
        }
        List<Value> items = items(value);
        List<DictValue.Entry> entries = new ArrayList<>();
        for (int i = 0; items != null && i < items.size(); i++) {
            entries.add(new DictValue.Entry(new Value.Int(BigInteger.valueOf(i)), items.get(i)));
        }
        return entries;
    }

    private static List<Value> items(Value value) {
        return value instanceof ListValue list ? list.items()
                : value instanceof TupleValue tuple ? tuple.items()
                : value instanceof SetValue set ? set.items() : null;
    }

    private Object carry(Value value, String path) {
        if (value instanceof ObjectValue object && !object.className().equals(LAYOUT)
                || value instanceof GlobalRef global && opaqueGlobals.contains(global.name())) {
            leftovers.add(new Leftover(path, what(value)));
            return NOTHING;
        }
        Object known = carried.get(value);
        if (known == null) {
            known = value instanceof DictValue dict ? carryDict(dict, path)
                    : value instanceof ListValue || value instanceof TupleValue ? carryItems(value, path) : value;
            carried.put(value, known);
        }
        return known;
    }

    private Object carryDict(DictValue dict, String path) {
        Map<Value, Object> kept = new LinkedHashMap<>();
        boolean same = true;
        for (DictValue.Entry entry : dict.entries()) {
            Object value = carry(entry.value(), joined(path, text(entry.key())));
            same &= value == entry.value();
            kept.put(entry.key(), value);
        }
        if (same) {
            return dict;
        }
        Content.Dict copy = Content.dict(dict);
        kept.forEach((key, value) -> {
            if (value == NOTHING) {
                copy.remove(key);
            } else {
                copy.put(key, value);
            }
        });
        return copy;
    }

    private Object carryItems(Value value, String path) {
        List<Value> items = items(value);
        List<Object> kept = new ArrayList<>(items.size());
        boolean same = true;
        for (int i = 0; i < items.size(); i++) {
            Object item = carry(items.get(i), joined(path, Integer.toString(i)));
            same &= item == items.get(i);
            kept.add(item == NOTHING ? null : item);
        }
        if (same) {
            return value;
        }
        return value instanceof TupleValue ? Content.tuple(kept.toArray()) : kept;
    }

    private static String joined(String path, String step) {
        return path.isEmpty() ? step : path + "." + step;
    }

    private static String text(Value key) {
        return key instanceof Value.Str text ? text.value() : key.toString();
    }

    /** Python's name of the kind. */
    private static String what(Value value) {
        if (value instanceof ObjectValue object) {
            return "an object of the class " + object.className();
        }
        if (value instanceof GlobalRef global) {
            return "the name " + global.name();
        }
        if (value instanceof DictValue) {
            return "dict";
        }
        if (value instanceof ArrayValue) {
            return "numpy";
        }
        return value.isNone() ? "None"
                : value instanceof Value.Bool ? "bool"
                : value instanceof Value.Int ? "int"
                : value instanceof Value.Real ? "float"
                : value instanceof Value.Str ? "str"
                : value instanceof Value.Bytes ? "bytes"
                : value instanceof ListValue ? "list"
                : value instanceof TupleValue ? "tuple"
                : value instanceof SetValue ? "set" : value.toString();
    }
}
