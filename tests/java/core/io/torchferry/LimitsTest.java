package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Every limit is passed once: the error names it, its value and the method that changes it. */
class LimitsTest {

    @FunctionalInterface
    private interface Opening {
        Checkpoint with(OpenOptions options) throws IOException;
    }

    private static Opening file(String name) {
        Path file = Fixtures.file(name);
        return options -> Checkpoint.open(file, options);
    }

    private static void expect(String name, long value, Opening opening) throws IOException {
        opening.with(OpenOptions.DEFAULT).close();
        Limits low = Limits.DEFAULT.with(name, value);
        LimitExceededException refused = assertThrows(LimitExceededException.class,
                () -> opening.with(OpenOptions.DEFAULT.withLimits(low)).close(), name);
        String method = "with" + camel(name).substring(0, 1).toUpperCase(java.util.Locale.ROOT)
                + camel(name).substring(1);
        assertTrue(refused.getMessage().contains("the limit " + name + " = " + value + ". "), refused.getMessage());
        assertTrue(refused.getMessage().contains("raise it: Limits." + method + " in Java"), refused.getMessage());
        assertTrue(refused.getMessage().contains("--limit " + name + "=N"), refused.getMessage());
    }

    private static String camel(String name) {
        StringBuilder camel = new StringBuilder();
        for (String word : name.split("_")) {
            camel.append(camel.isEmpty() ? word : word.substring(0, 1).toUpperCase(java.util.Locale.ROOT)
                    + word.substring(1));
        }
        return camel.toString();
    }

    @Test
    void eachHasItsOwnErrorThatNamesTheCure() throws IOException {
        byte[] large = new HandMade().op(0x8A, 100).op(new int[100]).zip();
        byte[] golden = Files.readAllBytes(Fixtures.file("golden_zip.pt"));
        expect("pickle_bytes", 100, file("golden_zip.pt"));
        expect("pickle_nodes", 5, file("golden_zip.pt"));
        expect("memo_entries", 5, file("golden_zip.pt"));
        expect("depth", 2, file("training.pt"));
        expect("integer_bytes", 99, options -> Checkpoint.open(large, options));
        expect("records", 3, file("golden_zip.pt"));
        expect("directory_bytes", 100, file("golden_zip.pt"));
        expect("tensors", 3, file("training.pt"));
        expect("name_bytes", 40, file("training.pt"));
        expect("dimensions", 1, file("views.pt"));
        expect("inflated_bytes", 10, file("deflated.pt"));
        expect("inflate_ratio", 0, file("deflated.pt"));
        expect("spool_bytes", 100, options -> Checkpoint.open(new ByteArrayInputStream(golden), options));
    }

    @Test
    void theyHoldForEveryFormat() throws IOException {
        List<String> files = List.of("training.pt", "golden_legacy.pt", "tar.pt", "torchscript.pt",
                "safetensors_small.safetensors", "sharded_safetensors.d", "sharded_bin.d", "distributed_nested.d",
                "distributed_ranks.d");
        for (String name : files) {
            expect("tensors", 0, file(name));
            expect("name_bytes", 0, file(name));
        }
        expect("directory_bytes", 20, file("safetensors_small.safetensors"));
        expect("directory_bytes", 20, file("sharded_bin.d"));
        expect("directory_bytes", 20, file("sharded_bin.d/pytorch_model.bin.index.json"));
        expect("records", 1, file("sharded_bin.d"));
        expect("records", 1, file("distributed_ranks.d"));
        expect("records", 2, file("tar.pt"));
        expect("pickle_bytes", 20, file("golden_legacy.pt"));
        expect("pickle_bytes", 20, file("distributed_nested.d"));
        expect("pickle_nodes", 5, file("tar.pt"));
    }

    @Test
    void allCanBeChangedByMethodAndByName() throws ReflectiveOperationException {
        List<String> names = new ArrayList<>();
        for (RecordComponent component : Limits.class.getRecordComponents()) {
            String camel = component.getName();
            String name = camel.replaceAll("([A-Z])", "_$1").toLowerCase(java.util.Locale.ROOT);
            names.add(name);
            Method with = Limits.class.getMethod("with" + camel.substring(0, 1).toUpperCase(java.util.Locale.ROOT)
                    + camel.substring(1), component.getType());
            Object number = component.getType() == int.class ? (Object) 7 : (Object) 7L;
            Limits changed = (Limits) with.invoke(Limits.DEFAULT, number);
            assertEquals(number, component.getAccessor().invoke(changed), name);
            assertEquals(changed, Limits.DEFAULT.with(name, 7));
            for (RecordComponent other : Limits.class.getRecordComponents()) {
                if (!other.getName().equals(component.getName())) {
                    assertEquals(other.getAccessor().invoke(Limits.DEFAULT), other.getAccessor().invoke(changed));
                }
            }
            assertThrows(IllegalArgumentException.class, () -> Limits.DEFAULT.with(name, -1));
            assertThrows(IllegalArgumentException.class, () -> Limits.DEFAULT.with(name, Long.MIN_VALUE));
        }
        IllegalArgumentException unknown =
                assertThrows(IllegalArgumentException.class, () -> Limits.DEFAULT.with("speed", 1));
        names.forEach(name -> assertTrue(unknown.getMessage().contains(name), unknown.getMessage()));
        assertEquals(Integer.MAX_VALUE, Limits.DEFAULT.with("depth", Long.MAX_VALUE).depth());
    }
}
