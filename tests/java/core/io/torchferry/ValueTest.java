package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ValueTest {

    private static Value read(HandMade made) throws IOException {
        try (Checkpoint file = Checkpoint.open(ByteBuffer.wrap(made.zip()))) {
            return file.root();
        }
    }

    @Test
    void plainValues() throws IOException {
        Value root = read(new HandMade().op(']', '(', 'N', 0x88, 0x89).integer(-5).integer64(1L << 40)
                .op('G', 0x3F, 0xF8, 0, 0, 0, 0, 0, 0).text("größe").op('e'));
        assertEquals("[None, True, False, -5, 1099511627776, 1.5, 'größe']", root.toString());
        assertTrue(root.get("0").isNone());
        assertTrue(root.get("1").asBoolean());
        assertEquals(-5, root.get("3").asInt());
        assertEquals(1L << 40, root.get("4").asLong());
        assertThrows(ArithmeticException.class, () -> root.get("4").asInt());
        assertEquals(1.5, root.get("5").asDouble());
        assertEquals(-5.0, root.get("3").asDouble());
        assertEquals("größe", root.get("6").asString());
        assertEquals(new Value.Str("größe"), root.get("6"));
        assertEquals(7, root.asList().size());
    }

    @Test
    void conversionsNameWhatTheyFound() throws IOException {
        Value root = read(new HandMade().op('}').text("epoch").text("three").op('s'));
        IllegalStateException refused =
                assertThrows(IllegalStateException.class, () -> root.get("epoch").asLong());
        assertEquals("this value is not an int but 'three'", refused.getMessage());
        assertThrows(IllegalStateException.class, root::asList);
        assertThrows(IllegalStateException.class, () -> root.get("epoch").asTensor());
        assertThrows(IllegalStateException.class, () -> root.get("epoch").asBytes());
        assertThrows(IllegalStateException.class, () -> root.get("epoch").asDict());
        assertThrows(IllegalStateException.class, root::asBoolean);
        assertThrows(IllegalStateException.class, root::asString);
        assertThrows(IllegalStateException.class, root::asDouble);
    }

    @Test
    void integersOfAnySize() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("nested_numbers.pt"))) {
            List<BigInteger> big = new java.util.ArrayList<>();
            collect(file.root(), big);
            assertTrue(big.stream().anyMatch(value -> value.bitLength() > 64), file.root().toString());
            assertTrue(big.stream().anyMatch(value -> value.signum() < 0));
        }
    }

    private static void collect(Value value, List<BigInteger> into) {
        if (value instanceof Value.Int integer) {
            into.add(integer.value());
        } else if (value instanceof DictValue dict) {
            dict.entries().forEach(entry -> collect(entry.value(), into));
        } else if (value instanceof ListValue || value instanceof TupleValue) {
            value.asList().forEach(item -> collect(item, into));
        }
    }

    @Test
    void dictsKeepOrderAndKeysOfAnyKind() throws IOException {
        DictValue dict = read(new HandMade().op('}', '(').text("b").integer(1).integer(7).integer(2).text("7")
                .integer(3).op('N').integer(4).text("a").integer(5).op('u')).asDict();
        assertEquals("{'b': 1, 7: 2, '7': 3, None: 4, 'a': 5}", dict.toString());
        assertEquals(List.of("b", "7", "a"), dict.names());
        assertEquals("", dict.className());
        assertEquals(2, dict.get(7).asLong());
        assertEquals(3, dict.get("7").asLong());
        assertTrue(dict.containsKey("a"));
        assertFalse(dict.containsKey("c"));
        assertEquals(5, dict.size());
        assertThrows(NoSuchElementException.class, () -> dict.get(8));
        assertThrows(UnsupportedOperationException.class, () -> dict.entries().clear());
    }

    @Test
    void integerKeysAreFoundByTheirDigits() throws IOException {
        Value root = read(new HandMade().op('}').integer(-7).op('}').integer(3).text("deep").op('s', 's'));
        assertEquals("deep", root.get("-7", "3").asString());
        assertEquals(Optional.empty(), root.find("-7", "4"));
    }

    @Test
    void missingPlacesTellWhatIsThere() throws IOException {
        Value root = read(new HandMade().op('}').text("model").op(']').integer(1).op('a', 's'));
        NoSuchElementException missing =
                assertThrows(NoSuchElementException.class, () -> root.get("modell"));
        assertEquals("there is no 'modell' in a dict with 1 keys: 'model'", missing.getMessage());
        missing = assertThrows(NoSuchElementException.class, () -> root.get("model", "1"));
        assertEquals("there is no '1' in a sequence of 1 items", missing.getMessage());
        assertThrows(NoSuchElementException.class, () -> root.get("model", "-1"));
        assertThrows(NoSuchElementException.class, () -> root.get("model", ""));
        assertThrows(NoSuchElementException.class, () -> root.get("model", "0", "x"));
        assertThrows(NoSuchElementException.class, () -> root.get("model", "99999999999999999999"));
        assertSame(root, root.get());
    }

    @Test
    void unknownObjectsStayWhatTheyWereWrittenAs() throws IOException {
        HandMade made = new HandMade().global("my.config", "Config").integer(1).op(0x85, 'R').op('}').text("lr")
                .integer(3).op('s', 'b');
        try (Checkpoint file = Checkpoint.open(ByteBuffer.wrap(made.zip()))) {
            assertEquals(List.of("my.config.Config"), file.opaqueGlobals());
            ObjectValue object = (ObjectValue) file.root();
            assertEquals("my.config.Config", object.className());
            assertEquals(1, object.arguments().get(0).asLong());
            assertEquals(3, object.get("lr").asLong());
            assertEquals("<my.config.Config(1) {'lr': 3}>", object.toString());
            assertThrows(NoSuchElementException.class, () -> object.get("momentum"));
        }
    }

    @Test
    void sharedValuesAreOneObject() throws IOException {
        Value root = read(new HandMade().op(']', '(', ']').integer(1).op('a', 'q', 5, 'h', 5, 'e'));
        assertEquals("[[1], [1]]", root.toString());
        assertSame(root.get("0"), root.get("1"));
    }

    @Test
    void contentThatGrowsWithoutEndIsPrintedShort() throws IOException {
        HandMade made = new HandMade().op(']', 'q', 0);
        for (int level = 1; level <= 14; level++) {
            made.op(']', '(', 'h', level - 1, 'h', level - 1, 'e', 'q', level);
        }
        String text = read(made).toString();
        assertTrue(text.length() < 10_000, "characters: " + text.length());
    }

    @Test
    void deepContentNeedsNoDeepStack() throws IOException {
        HandMade made = new HandMade();
        for (int i = 0; i < 900; i++) {
            made.op(']');
        }
        for (int i = 1; i < 900; i++) {
            made.op('a');
        }
        Value at = read(made);
        assertTrue(at.toString().contains("..."));
        for (int i = 1; i < 900; i++) {
            at = at.get("0");
        }
        assertEquals("[]", at.toString());
    }

    @Test
    void tensorsAmongTheContent() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("cuda0.pt"))) {
            TensorRef weight = (TensorRef) file.value("weight");
            assertEquals("cuda:0", weight.info().location());
            assertTrue(weight.toString().contains("location='cuda:0'"), weight.toString());
            assertEquals(file.tensors().get(0), weight.asTensor());
            assertTrue(file.value("tied").asTensor().sharesStorageWith(weight.info()));
        }
    }

    @Test
    void numpyValues() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("nested_numpy_values.pt"))) {
            int scalars = 0;
            int arrays = 0;
            for (Value value : leaves(file.root())) {
                if (value instanceof ArrayValue array) {
                    scalars += array.isScalar() ? 1 : 0;
                    arrays += array.isScalar() ? 0 : 1;
                    assertEquals(array.data().remaining(), elements(array) * size(array.dtype()), array.dtype());
                    assertTrue(array.data().isReadOnly());
                }
            }
            assertTrue(scalars > 0 && arrays > 0, scalars + " scalars, " + arrays + " arrays");
        }
    }

    private static long elements(ArrayValue array) {
        long count = 1;
        for (long size : array.shape()) {
            count *= size;
        }
        return count;
    }

    private static int size(String dtype) {
        int digits = dtype.indexOf('[') < 0 ? dtype.length() : dtype.indexOf('[');
        int units = Integer.parseInt(dtype.substring(2, digits));
        return dtype.charAt(1) == 'U' ? 4 * units : units;
    }

    private static List<Value> leaves(Value value) {
        List<Value> all = new java.util.ArrayList<>();
        if (value instanceof DictValue dict) {
            dict.entries().forEach(entry -> all.addAll(leaves(entry.value())));
        } else if (value instanceof ListValue || value instanceof TupleValue) {
            value.asList().forEach(item -> all.addAll(leaves(item)));
        } else {
            all.add(value);
        }
        return all;
    }

    @Test
    void numpyScalarsAreNumbers() {
        byte[] bytes = {(byte) 0xFF, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF};
        assertEquals(-1, new ArrayValue("<i4", new long[0], bytes).asLong());
        assertEquals(0xFFFFFFFFL, new ArrayValue("<u4", new long[0], bytes).asLong());
        assertEquals(255, new ArrayValue("|u1", new long[0], new byte[] {(byte) 0xFF}).asLong());
        assertEquals(1.5, new ArrayValue("<f2", new long[0], new byte[] {0, 0x3E}).asDouble());
        assertEquals("1.5", new ArrayValue("<f2", new long[0], new byte[] {0, 0x3E}).toString());
        assertThrows(IllegalStateException.class, () -> new ArrayValue("<i4", new long[] {1}, bytes).asLong());
        assertThrows(ArithmeticException.class, () -> new ArrayValue("<u8", new long[0],
                new byte[] {0, 0, 0, 0, 0, 0, 0, (byte) 0x80}).asLong());
    }

    @Test
    void halvesAreExact() {
        assertEquals(65504f, Half.toFloat((short) 0x7BFF));
        assertEquals(0x1p-24f, Half.toFloat((short) 1));
        assertEquals(-0x1p-14f, Half.toFloat((short) 0x8400));
        assertEquals(Float.NEGATIVE_INFINITY, Half.toFloat((short) 0xFC00));
        assertTrue(Float.isNaN(Half.toFloat((short) 0x7E00)));
        assertEquals(Float.floatToRawIntBits(-0f), Float.floatToRawIntBits(Half.toFloat((short) 0x8000)));
    }

    @Test
    void bytesAreCopied() {
        Value.Bytes bytes = new Value.Bytes(new byte[] {1, 2});
        bytes.value()[0] = 9;
        assertArrayEquals(new byte[] {1, 2}, bytes.asBytes());
        assertEquals(bytes, new Value.Bytes(new byte[] {1, 2}));
        assertEquals(2, bytes.length());
    }
}
