package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.junit.jupiter.api.Test;

class KeysTest {
    private static boolean matches(String pattern, String key) {
        return Keys.glob(pattern).test(key);
    }

    @Test
    void globsMatchAsInPythonsFnmatch() {
        assertTrue(matches("layer1.*", "layer1.0.weight"));
        assertTrue(matches("*.bias", "a.b.bias"));
        assertTrue(matches("*", ""));
        assertTrue(matches("", ""));
        assertTrue(matches("a?c", "a🔥c"));
        assertTrue(matches("[ab]x", "bx"));
        assertTrue(matches("l[0-3].*", "l2.w"));
        assertTrue(matches("l[!0-3].*", "l4.w"));
        assertTrue(matches("[]]", "]"));
        assertTrue(matches("[!]]", "a"));
        assertTrue(matches("a[b", "a[b"), "a bracket that is not closed is one");
        assertTrue(matches("*a*b*c", "xxaxxbxxc"));
        assertFalse(matches("layer1.*", "layer10.weight"));
        assertFalse(matches("weight", "a.weight"));
        assertFalse(matches("l[0-3]", "l4"));
        assertFalse(matches("?", ""));
        assertFalse(matches("*.weight", "weight"));
        assertTrue(Keys.glob("a", "b*").test("bc"));
        assertFalse(Keys.glob().test("a"));
    }

    @Test
    void noPatternTakesLong() {
        String key = "a".repeat(20_000);
        assertTimeout(Duration.ofSeconds(10), () -> assertFalse(matches("*a*a*a*a*a*a*a*a*b", key)));
    }

    @Test
    void expressionsAreFoundAnywhere() {
        assertTrue(Keys.containing(Pattern.compile("bn\\d")).test("layer1.bn2.weight"));
        assertFalse(Keys.containing(Pattern.compile("^bn")).test("layer1.bn2.weight"));
    }

    @Test
    void replacingIsPythonsSub() {
        assertEquals("encoder.0.w", Keys.replacing("^backbone\\.", "encoder.").apply("backbone.0.w"));
        assertEquals("x.backbone.w", Keys.replacing("^backbone\\.", "encoder.").apply("x.backbone.w"));
        assertEquals("w.0.b", Keys.replacing("(\\w)\\.(\\d)", "w.$2").apply("a.0.b"));
        Map<String, String> rules = new LinkedHashMap<>();
        rules.put("a", "b");
        rules.put("b", "c");
        assertEquals("cc", Keys.replacing(rules).apply("ab"));
        assertThrows(PatternSyntaxException.class, () -> Keys.replacing("(", ""));
    }

    @Test
    void onlyWhatPassesIsRead() throws Exception {
        LoadOptions some = LoadOptions.defaults().mmap(false).filter(Keys.glob("*.bias"));
        try (Checkpoint file = Checkpoint.open(Fixtures.file("training.pt"));
                StateDict all = file.stateDict(LoadOptions.defaults().mmap(false), "model");
                StateDict dict = file.stateDict(some, "model")) {
            List<String> expected = all.keySet().stream().filter(key -> key.endsWith(".bias")).toList();
            assertFalse(expected.isEmpty());
            assertEquals(expected, List.copyOf(dict.keySet()));
            long biases = expected.stream().mapToLong(key -> all.get(key).nbytes()).sum();
            assertEquals(biases, dict.report().bytesRead());
            assertTrue(biases < all.report().bytesRead());
            assertEquals(biases, file.plan(some, "model").bytesRead());
        }
    }
}
