package io.torchferry.cli;

import io.torchferry.ArrayValue;
import io.torchferry.DTypeValue;
import io.torchferry.DeviceValue;
import io.torchferry.DictValue;
import io.torchferry.GlobalRef;
import io.torchferry.ListValue;
import io.torchferry.ObjectValue;
import io.torchferry.SetValue;
import io.torchferry.TensorRef;
import io.torchferry.TupleValue;
import io.torchferry.Value;
import java.util.HexFormat;
import java.util.List;

/**
 * Content as JSON. What JSON has is itself: null, booleans, numbers, strings, lists, and dicts whose keys are distinct
 * strings. Everything else is an object with one member whose name starts with {@code $}: {@code $tuple}, {@code $set},
 * {@code $dict} (pairs), {@code $bytes} (hex), {@code $complex}, {@code $tensor} (its key), {@code $array},
 * {@code $dtype}, {@code $device}, {@code $global}, {@code $object}. A dict with a key that starts with {@code $} is
 * written as {@code $dict}. {@code {"$more": true}} stands where a structure is larger than a million values: values
 * that a file refers to many times would otherwise be written many times.
 */
final class ValueJson {
    private static final int MOST_VALUES = 1_000_000;

    private final JsonWriter json;
    private int written;

    private ValueJson(JsonWriter json) {
        this.json = json;
    }

    static void write(JsonWriter json, Value value) {
        new ValueJson(json).value(value);
    }

    private void value(Value value) {
        if (++written > MOST_VALUES) {
            json.beginObject().field("$more", true).endObject();
        } else if (value instanceof Value.None) {
            json.value((String) null);
        } else if (value instanceof Value.Bool bool) {
            json.value(bool.value());
        } else if (value instanceof Value.Int integer) {
            json.raw(integer.value().toString());
        } else if (value instanceof Value.Real real) {
            json.value(real.value());
        } else if (value instanceof Value.Str text) {
            json.value(text.value());
        } else if (value instanceof ListValue list) {
            array(list.items());
        } else if (value instanceof DictValue dict) {
            dict(dict.entries());
        } else {
            json.beginObject();
            tagged(value);
            json.endObject();
        }
    }

    private void tagged(Value value) {
        if (value instanceof TupleValue tuple) {
            json.name("$tuple");
            array(tuple.items());
        } else if (value instanceof SetValue set) {
            json.name("$set");
            array(set.items());
        } else if (value instanceof Value.Bytes bytes) {
            json.field("$bytes", HexFormat.of().formatHex(bytes.value()));
        } else if (value instanceof Value.Complex complex) {
            json.name("$complex").beginArray().value(complex.real()).value(complex.imaginary()).endArray();
        } else if (value instanceof TensorRef tensor) {
            json.field("$tensor", tensor.info().key());
        } else if (value instanceof ArrayValue array) {
            array(array);
        } else if (value instanceof DTypeValue dtype) {
            json.field("$dtype", dtype.name());
        } else if (value instanceof DeviceValue device) {
            json.field("$device", device.name());
        } else if (value instanceof GlobalRef global) {
            json.field("$global", global.name());
        } else if (value instanceof ObjectValue object) {
            object(object);
        } else {
            throw new IllegalArgumentException("a value without a JSON form: " + value.getClass());
        }
    }

    private void array(ArrayValue array) {
        byte[] data = new byte[array.data().remaining()];
        array.data().get(data);
        json.name("$array").beginObject().field("dtype", array.dtype()).field("shape", array.shape())
                .field("data", HexFormat.of().formatHex(data)).endObject();
    }

    private void object(ObjectValue object) {
        json.name("$object").beginObject().field("class", object.className()).name("arguments");
        array(object.arguments());
        json.name("state");
        pairs(object.state());
        if (!object.attributes().isEmpty()) {
            json.name("attributes");
            pairs(object.attributes());
        }
        json.endObject();
    }

    private void array(List<Value> items) {
        json.beginArray();
        for (Value item : items) {
            value(item);
            if (written > MOST_VALUES) {
                break;
            }
        }
        json.endArray();
    }

    private void dict(List<DictValue.Entry> entries) {
        boolean plain = entries.stream()
                .allMatch(entry -> entry.key() instanceof Value.Str key && !key.value().startsWith("$"));
        if (!plain) {
            json.beginObject().name("$dict");
            pairs(entries);
            json.endObject();
            return;
        }
        json.beginObject();
        for (DictValue.Entry entry : entries) {
            json.name(entry.key().asString());
            value(entry.value());
            if (written > MOST_VALUES) {
                break;
            }
        }
        json.endObject();
    }

    private void pairs(List<DictValue.Entry> entries) {
        json.beginArray();
        for (DictValue.Entry entry : entries) {
            json.beginArray();
            value(entry.key());
            value(entry.value());
            json.endArray();
            if (written > MOST_VALUES) {
                break;
            }
        }
        json.endArray();
    }
}
