package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Values of every kind into TorchScript methods and out of them (values.ts, by make_script_values.py). */
class ScriptValuesTest {
    private ScriptModule module;

    @BeforeEach
    void load() throws IOException {
        module = ScriptModule.load(Fixtures.file("values.ts")).eval();
    }

    @AfterEach
    void close() {
        module.close();
    }

    private static IValue tensor(float... values) {
        return IValue.of(Tensor.of(values));
    }

    private static float[] floats(IValue value) {
        return value.asTensor().toFloatArray();
    }

    @Test
    void numbersAndText() {
        IValue result = module.call("scalars", IValue.of(4), IValue.of(1.5), IValue.of(true), IValue.of("über \uD83D\uDE00"));
        assertEquals(new IValue.OfTuple(List.of(IValue.of(5), IValue.of(3.0), IValue.of(false), IValue.of("über \uD83D\uDE00!"))),
                result);
        assertEquals(8.0, module.call("scalars", IValue.of(1), IValue.of(4), IValue.of(true), IValue.of(""))
                .asList().get(1).asDouble(), "an int serves as a float");
    }

    @Test
    void listsWithDefaultsAndKeywords() {
        IValue two = IValue.list(tensor(1, 2), tensor(3, 4));
        assertArrayEquals(new float[] {4, 6}, floats(module.call("total", two)));
        assertArrayEquals(new float[] {8, 12}, floats(module.call("total", two, IValue.of(2.0))));
        assertArrayEquals(new float[] {9, 11}, floats(module.call("total", List.of(two), Map.of("bias", IValue.of(5)))));
        assertArrayEquals(new float[] {0, 0}, floats(module.call("total", IValue.list(new IValue[0]))));
        assertEquals(IValue.list(3, 2, 1), module.call("backwards", IValue.list(1, 2, 3)));
        assertEquals(IValue.list(3, 1), module.call("backwards", IValue.tuple(IValue.of(1), IValue.of(3))));
    }

    @Test
    void optionals() {
        assertEquals(IValue.of(7.5), module.call("largest", IValue.list(7.5, -1.0)));
        assertTrue(module.call("largest", IValue.list(new double[0])).isNone());
        assertTrue(module.call("maybe", IValue.none()).isNone());
        assertArrayEquals(new float[] {3, 6}, floats(module.call("maybe", tensor(1, 2), IValue.of(3))));
        assertArrayEquals(new float[] {1, 2}, floats(module.call("maybe", tensor(1, 2), IValue.none())));
    }

    @Test
    void dictsAndNestedTuples() {
        Map<String, IValue> groups = new LinkedHashMap<>();
        groups.put("b", IValue.list(tensor(1, 2), tensor(3, 4)));
        groups.put("a", IValue.list(tensor(5, 6)));
        Map<String, IValue> sums = module.call("grouped", IValue.dict(groups)).asDict();
        assertEquals(List.of("b", "a"), new ArrayList<>(sums.keySet()));
        assertArrayEquals(new float[] {4, 6}, floats(sums.get("b").asList().get(0)));
        assertEquals(2, sums.get("b").asList().get(1).asLong());
        Map<IValue, IValue> words = new LinkedHashMap<>();
        words.put(IValue.of(1), IValue.of("one"));
        words.put(IValue.of(0), IValue.of("zero"));
        assertEquals(IValue.list(IValue.of("zero"), IValue.of("one")), module.call("words", new IValue.OfDict(words)));
        IValue turned = module.call("inner", IValue.tuple(tensor(1), IValue.tuple(IValue.of(2), IValue.of("x"))));
        assertEquals("x", turned.asList().get(0).asString());
        assertEquals(2, turned.asList().get(1).asList().get(0).asLong());
        assertArrayEquals(new float[] {1}, floats(turned.asList().get(1).asList().get(1)));
    }

    @Test
    void whatDoesNotFitIsTold() {
        assertTold("Values.scalars: i wants int, but got Double", () -> module.call("scalars", IValue.of(1.0), IValue.of(1.0),
                IValue.of(true), IValue.of("")));
        assertTold("Values.backwards: xs wants int, but got String",
                () -> module.call("backwards", IValue.list(IValue.of(1), IValue.of("2"))));
        assertTold("Values.total takes 1 to 3 inputs (xs, scale, bias), but got 0", () -> module.call("total"));
        assertTold("Values.total takes no 'more'",
                () -> module.call("total", List.of(IValue.list(new IValue[0])), Map.of("more", IValue.of(1))));
        assertTold("told so", () -> module.call("fails", IValue.of(1)));
        assertEquals(0, module.call("fails", IValue.of(0)).asLong());
        assertThrows(IllegalStateException.class, () -> IValue.of(1).asString());
        assertThrows(NullPointerException.class, () -> IValue.list((IValue) null));
    }

    private static void assertTold(String text, org.junit.jupiter.api.function.Executable call) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        assertTrue(message.contains(text), message);
    }

    @Test
    void resultsAreOrdinaryTensors() {
        try (Tensor input = Tensor.of(new float[] {1, 1}); Tensor output = module.call("forward", IValue.of(input)).asTensor()) {
            assertFalse(output.requiresGrad());
            output.asByteBuffer().putFloat(0, 5);
            assertArrayEquals(new float[] {11, 22}, floats(module.call("forward", IValue.of(input))));
        }
    }

    @Test
    void savesLoadsCastsAndFreezes(@TempDir Path folder) throws IOException {
        try (StateDict weights = StateDict.of(Map.of("weight", Tensor.of(new float[] {3, 4})))) {
            assertEquals(List.of("offset"), module.loadStateDict(weights, false).missingKeys());
        }
        module.save(folder.resolve("saved.ts"));
        assertThrows(CheckpointException.class, () -> module.save(folder.resolve("not/there.ts")));
        try (Tensor ones = Tensor.of(new float[] {1, 1}); ScriptModule again = ScriptModule.load(folder.resolve("saved.ts"));
                ScriptModule frozen = again.eval().freeze(); StateDict parameters = again.parameters();
                StateDict buffers = again.buffers(); StateDict none = frozen.stateDict()) {
            assertArrayEquals(new float[] {13, 24}, again.forward(ones).toFloatArray());
            assertArrayEquals(new float[] {13, 24}, frozen.forward(ones).toFloatArray());
            assertTrue(none.isEmpty());
            assertEquals(List.of("weight"), new ArrayList<>(parameters.keySet()));
            assertEquals(List.of("offset"), new ArrayList<>(buffers.keySet()));
            again.to(DType.FLOAT64);
            assertEquals(DType.FLOAT64, again.forward(ones).dtype());
            assertThrows(IllegalArgumentException.class, () -> again.to(DType.INT32));
            assertThrows(IllegalArgumentException.class, () -> again.train(true).freeze());
            assertNull(parameters.get("offset"));
        }
    }

    @Test
    void runsOnManyThreadsWhileWeightsChange() throws Exception {
        AtomicBoolean ended = new AtomicBoolean();
        ExecutorService threads = Executors.newFixedThreadPool(3);
        try (Tensor ones = Tensor.of(new float[] {1, 1}); StateDict low = weights(1, 2); StateDict high = weights(100, 200)) {
            List<Future<Integer>> runs = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                runs.add(threads.submit(() -> {
                    int count = 0;
                    while (!ended.get() || count == 0) {
                        try (Tensor output = module.forward(ones)) {
                            float[] values = output.toFloatArray();
                            assertEquals(2 * (values[0] - 10), values[1] - 20, "weights of two loads in one answer");
                        }
                        count++;
                    }
                    return count;
                }));
            }
            for (int i = 0; i < 200; i++) {
                module.loadStateDict(i % 2 == 0 ? high : low, false, i % 3 == 0);
            }
            ended.set(true);
            for (Future<Integer> run : runs) {
                assertTrue(run.get() > 0);
            }
        } finally {
            ended.set(true);
            threads.shutdown();
        }
    }

    private static StateDict weights(float first, float second) {
        return StateDict.of(Map.of("weight", Tensor.of(new float[] {first, second})));
    }
}
