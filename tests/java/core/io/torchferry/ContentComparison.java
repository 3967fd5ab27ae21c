package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * Compares a content's values with the typed JSON that {@code tests/interop/torch_cases/encoding.py} made of what
 * PyTorch loaded. Python attributes of tensors, the factory of a defaultdict, and whether bytes are a bytearray or a
 * set is frozen are not part of {@link Value}.
 */
final class ContentComparison {
    private final Checkpoint file;
    private final Map<String, TensorInfo> tensors = new HashMap<>();

    private ContentComparison(Checkpoint file) {
        this.file = file;
        file.tensors().forEach(info -> tensors.put(info.key(), info));
    }

    /** Compares the whole content. */
    static void compare(Checkpoint file, JsonObject expected) throws IOException {
        new ContentComparison(file).value(expected, file.root(), List.of());
    }

    private void value(JsonObject wanted, Value found, List<String> path) throws IOException {
        String where = "content at " + path;
        String kind = text(wanted, "t");
        switch (kind) {
            case "list" -> items(wanted.getAsJsonArray("items"), as(ListValue.class, found, where).items(), path);
            case "tuple" -> items(wanted.getAsJsonArray("items"), as(TupleValue.class, found, where).items(), path);
            case "set", "frozenset" -> set(wanted.getAsJsonArray("items"), as(SetValue.class, found, where), path);
            case "dict" -> dict(wanted, as(DictValue.class, found, where), path);
            case "tensor" -> tensor(text(wanted, "key"), as(TensorRef.class, found, where));
            case "ndarray", "npscalar" -> array(wanted, as(ArrayValue.class, found, where), where);
            case "npdtype" ->
                assertEquals(text(wanted, "dtype"), numpyName(as(ObjectValue.class, found, where)), where);
            case "module" -> module(wanted, as(ObjectValue.class, found, where), path);
            case "storage" -> storage(wanted, as(ObjectValue.class, found, where), where);
            case "object" -> object(wanted, as(ObjectValue.class, found, where), path);
            case "size" -> size(wanted.getAsJsonArray("v"), as(TupleValue.class, found, where), where);
            case "float" -> assertEquals(text(wanted, "bits"), bits(as(Value.Real.class, found, where).value()), where);
            case "complex" -> {
                Value.Complex number = as(Value.Complex.class, found, where);
                assertEquals(text(wanted, "re"), bits(number.real()), where);
                assertEquals(text(wanted, "im"), bits(number.imaginary()), where);
            }
            default -> assertEquals(leaf(kind, wanted), found, where);
        }
    }

    /** A value that can be made from the JSON alone and compared as a whole. */
    private static Value leaf(String kind, JsonObject wanted) {
        return switch (kind) {
            case "none" -> new Value.None();
            case "bool" -> new Value.Bool(wanted.get("v").getAsBoolean());
            case "int" -> new Value.Int(new BigInteger(text(wanted, "v")));
            case "str" -> new Value.Str(wanted.has("utf8") ? Utf8.decode(hex(wanted, "utf8")) : text(wanted, "v"));
            case "bytes", "bytearray" -> new Value.Bytes(hex(wanted, "hex"));
            case "device" -> new DeviceValue(text(wanted, "v"));
            case "dtype" -> new DTypeValue(text(wanted, "v"));
            case "global" -> new GlobalRef(text(wanted, "v"));
            default -> throw new AssertionError("these tests know no value of the kind " + kind);
        };
    }

    private static String bits(double value) {
        return HexFormat.of().toHexDigits(Double.doubleToRawLongBits(value));
    }

    private static void size(JsonArray wanted, TupleValue found, String where) {
        List<Value> sizes = new ArrayList<>();
        wanted.forEach(size -> sizes.add(new Value.Int(size.getAsBigInteger())));
        assertEquals(sizes, found.items(), where);
    }

    private static byte[] hex(JsonObject wanted, String field) {
        return HexFormat.of().parseHex(text(wanted, field));
    }

    private static String text(JsonObject wanted, String field) {
        return wanted.get(field).getAsString();
    }

    private static <T extends Value> T as(Class<T> type, Value found, String where) {
        if (!type.isInstance(found)) {
            throw new AssertionError(where + ": not a " + type.getSimpleName() + " but " + found);
        }
        return type.cast(found);
    }

    private void items(JsonArray wanted, List<Value> found, List<String> path) throws IOException {
        assertEquals(wanted.size(), found.size(), () -> "items at " + path);
        for (int i = 0; i < found.size(); i++) {
            value(wanted.get(i).getAsJsonObject(), found.get(i), below(path, Integer.toString(i)));
        }
    }

    /** Order does not count; the items of the cases are leaves and tuples of leaves. */
    private void set(JsonArray wanted, SetValue found, List<String> path) throws IOException {
        List<Value> left = new ArrayList<>(found.items());
        for (JsonElement item : wanted) {
            if (!left.removeIf(value -> matches(item.getAsJsonObject(), value, path))) {
                throw new AssertionError("no " + item + " in the set at " + path + ": " + found);
            }
        }
        assertEquals(List.of(), left, () -> "set at " + path);
    }

    private boolean matches(JsonObject wanted, Value found, List<String> path) {
        try {
            value(wanted, found, path);
            return true;
        } catch (IOException | AssertionError e) {
            return false;
        }
    }

    private void dict(JsonObject wanted, DictValue found, List<String> path) throws IOException {
        String kind = text(wanted, "kind");
        assertEquals(kind.equals("dict") ? "" : "collections." + kind, found.className(), () -> "dict at " + path);
        entries(wanted.getAsJsonArray("items"), found.entries(), path);
        JsonObject attributes = wanted.getAsJsonObject("attrs");
        int count = attributes == null ? 0 : attributes.size();
        assertEquals(count, found.attributes().size(), () -> "attributes at " + path);
        for (DictValue.Entry attribute : found.attributes()) {
            String name = attribute.key().asString();
            value(attributes.getAsJsonObject(name), attribute.value(), below(path, name));
        }
    }

    private void entries(JsonArray wanted, List<DictValue.Entry> found, List<String> path) throws IOException {
        assertEquals(wanted.size(), found.size(), () -> "entries at " + path);
        for (int i = 0; i < found.size(); i++) {
            JsonArray pair = wanted.get(i).getAsJsonArray();
            Value key = found.get(i).key();
            String step = key instanceof Value.Str name ? name.value() : key.toString();
            value(pair.get(0).getAsJsonObject(), key, below(path, "key " + i));
            value(pair.get(1).getAsJsonObject(), found.get(i).value(), below(path, step));
        }
    }

    private void tensor(String key, TensorRef found) {
        TensorInfo named = tensors.get(key);
        assertNotNull(named, key);
        assertEquals(named.row(), found.info().row(), key);
        String kind = named.isParameter() ? "torch.nn.Parameter" : "";
        assertEquals(kind, found.className(), key);
    }

    private static void array(JsonObject wanted, ArrayValue found, String where) {
        assertEquals(text(wanted, "dtype"), found.dtype(), where);
        JsonArray sizes = wanted.getAsJsonArray("shape");
        List<Long> shape = new ArrayList<>();
        sizes.forEach(size -> shape.add(size.getAsLong()));
        assertEquals(shape, LongStream.of(found.shape()).boxed().toList(), where);
        assertEquals(ByteBuffer.wrap(hex(wanted, "hex")), found.data(), where);
    }

    /** numpy.dtype("f4", ...) with its state (version, byte order, ...), as numpy writes its name. */
    private static String numpyName(ObjectValue found) {
        assertEquals("numpy.dtype", found.className());
        Value state = found.attributes().stream().filter(entry -> entry.key().equals(new Value.Str("state")))
                .findFirst().orElseThrow().value();
        return state.asList().get(1).asString() + found.arguments().get(0).asString();
    }

    private void module(JsonObject wanted, ObjectValue found, List<String> path) {
        assertEquals(text(wanted, "global"), found.className(), () -> "module at " + path);
        List<String> keys = new ArrayList<>();
        wanted.getAsJsonArray("keys").forEach(key -> keys.add(key.getAsString()));
        assertEquals(keys, file.tensors(path.toArray(String[]::new)).stream().map(TensorInfo::key).toList(),
                () -> "state_dict names of the module at " + path);
    }

    /** Its argument is the persistent id: ("storage", class, key, location, number of elements). */
    private static void storage(JsonObject wanted, ObjectValue found, String where) {
        List<Value> id = found.arguments().get(0).asList();
        assertEquals("storage", id.get(0).asString(), where);
        String dtype = text(wanted, "dtype");
        int itemsize = dtype.equals("untyped") ? 1 : DType.parse(dtype).itemsize();
        assertEquals(wanted.get("nbytes").getAsLong(), id.get(4).asLong() * itemsize, where);
    }

    private void object(JsonObject wanted, ObjectValue found, List<String> path) throws IOException {
        assertEquals(text(wanted, "global"), found.className(), () -> "object at " + path);
        items(wanted.getAsJsonArray("args"), found.arguments(), path);
        JsonArray state = new JsonArray();
        JsonObject given = wanted.getAsJsonObject("state");
        boolean dict = given != null && text(given, "t").equals("dict");
        if (dict) {
            state.addAll(given.getAsJsonArray("items"));
        }
        if (wanted.has("pairs")) {
            state.addAll(wanted.getAsJsonArray("pairs"));
        }
        entries(state, found.state(), path);
        JsonArray appended = wanted.has("items") ? wanted.getAsJsonArray("items") : new JsonArray();
        items(appended, attributes(found, "[]"), path);
        List<Value> plain = attributes(found, "state");
        assertEquals(given == null || dict ? 0 : 1, plain.size(), () -> "state at " + path);
        if (!plain.isEmpty()) {
            value(given, plain.get(0), below(path, "state"));
        }
    }

    private static List<Value> attributes(ObjectValue object, String name) {
        return object.attributes().stream().filter(entry -> entry.key().equals(new Value.Str(name)))
                .map(DictValue.Entry::value).toList();
    }

    private static List<String> below(List<String> path, String step) {
        List<String> longer = new ArrayList<>(path);
        longer.add(step);
        return Collections.unmodifiableList(longer);
    }
}
