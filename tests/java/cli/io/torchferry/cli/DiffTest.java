package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiffTest {
    @TempDir
    Path folder;

    /** Saves float tensors of one dimension. */
    private Path saved(String name, Map<String, float[]> values) throws Exception {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        values.forEach((key, floats) -> tensors.put(key, Tensor.of(floats, floats.length)));
        Path path = folder.resolve(name);
        try (StateDict dict = StateDict.of(tensors)) {
            dict.save(path);
        } finally {
            tensors.values().forEach(Tensor::close);
        }
        return path;
    }

    private static Map<String, Object> tensor(Map<String, Object> json, String key) {
        return Json.objects(json, "tensors").stream().filter(t -> t.get("key").equals(key)).findFirst().get();
    }

    @Test
    void theSameFileIsTheSame() {
        Path file = fixture("training.pt");
        Map<String, Object> json = Cli.expect(0, "diff", "--json", file, file).object();
        assertEquals(true, json.get("same"));
        assertEquals(List.of(), json.get("only_in_a"));
        List<Map<String, Object>> tensors = Json.objects(json, "tensors");
        assertEquals(34, tensors.size());
        assertTrue(tensors.stream().allMatch(t -> t.get("status").equals("same")), tensors.toString());
        String text = Cli.expect(0, "diff", file, file).out();
        assertTrue(text.contains("34 tensors the same"), text);
    }

    @Test
    void whatDiffersIsNamedAndMeasured() throws Exception {
        Path a = saved("a.pt", Map.of("same", new float[] {1, 2}, "w", new float[] {1, 2, 3}, "old", new float[] {1},
                "longer", new float[] {1}));
        Path b = saved("b.pt", Map.of("same", new float[] {1, 2}, "w", new float[] {1, 2.5f, Float.NaN},
                "new", new float[] {1}, "longer", new float[] {1, 1}));
        Cli run = Cli.expect(1, "diff", "--json", a, b);
        assertEquals("", run.err());
        Map<String, Object> json = run.object();
        assertEquals(false, json.get("same"));
        assertEquals(List.of("old"), json.get("only_in_a"));
        assertEquals(List.of("new"), json.get("only_in_b"));
        assertEquals("same", tensor(json, "same").get("status"));
        assertEquals("incomparable", tensor(json, "longer").get("status"));
        Map<String, Object> w = tensor(json, "w");
        assertEquals("different", w.get("status"));
        assertEquals(new BigDecimal(2), w.get("different"));
        assertEquals(new BigDecimal("0.5"), w.get("max_abs"));
        assertEquals(new BigDecimal("0.2"), w.get("max_rel"));
        assertEquals(new BigDecimal(0), w.get("nan_a"));
        assertEquals(new BigDecimal(1), w.get("nan_b"));
        assertEquals(new BigDecimal(1), w.get("first"));
        String text = Cli.expect(1, "diff", a, b).out();
        assertTrue(text.contains("only in A (1)") && text.contains("old"), text);
        assertTrue(text.contains("2 of 3") && text.contains("NaN 0 / 1"), text);
        assertTrue(text.contains("shape [1] / [2]"), text);
        assertTrue(text.contains("1 tensor the same, 2 different, 1 only in A, 1 only in B"), text);
    }

    @Test
    void tolerancesAreThoseOfAllclose() throws Exception {
        Path a = saved("a.pt", Map.of("w", new float[] {1, 100}));
        Path b = saved("b.pt", Map.of("w", new float[] {1.001f, 100.01f}));
        Cli.expect(1, "diff", a, b);
        Cli.expect(1, "diff", "--rtol", "0.0005", a, b);
        Cli.expect(0, "diff", "--rtol", "0.0011", a, b);
        Cli.expect(0, "diff", "--atol", "0.02", a, b);
        Map<String, Object> json = Cli.expect(0, "diff", "--json", "--atol", "0.02", a, b).object();
        assertEquals("close", tensor(json, "w").get("status"));
        assertTrue(Cli.expect(0, "diff", "--atol", "0.02", a, b).out().contains("1 within the tolerance"));
    }

    @Test
    void dtypesDifferUnlessIgnored() throws Exception {
        Path a = saved("a.pt", Map.of("w", new float[] {1, 2}));
        Path b = folder.resolve("half.pt");
        try (Tensor w = Tensor.of(new double[] {1, 2}, 2); StateDict dict = StateDict.of(Map.of("w", w))) {
            dict.save(b);
        }
        Cli run = Cli.expect(1, "diff", a, b);
        assertTrue(run.out().contains("dtype float32 / float64"), run.out());
        Cli.expect(0, "diff", "--ignore-dtype", a, b);
    }

    @Test
    void placesAndPrefixesOfEitherSide() throws Exception {
        Path training = fixture("training.pt");
        Path model = folder.resolve("model.pt");
        try (StateDict dict = io.torchferry.Checkpoint.load(training, io.torchferry.LoadOptions.defaults(), "model");
                StateDict wrapped = dict.renamed(key -> "module." + key)) {
            wrapped.save(model);
        }
        Cli.expect(0, "diff", "--key-a", "model", "--strip-prefix-b", "module.", training, model);
        Cli.expect(0, "diff", "--key", "model", training, training);
        Cli.expect(1, "diff", "--key-a", "model", training, model);
        Cli run = Cli.expect(2, "diff", "--key", "modle", training, training);
        assertTrue(run.err().contains("tensors are under 'model'"), run.err());
    }

    @Test
    void whereTheyWereSavedMakesNoDifference() throws Exception {
        Path cuda = fixture("cuda0.pt");
        Path cpu = folder.resolve("cpu.pt");
        try (StateDict dict = io.torchferry.Checkpoint.load(cuda, io.torchferry.Device.cpu())) {
            dict.save(cpu);
        }
        Cli run = Cli.expect(0, "diff", cuda, cpu);
        assertTrue(run.out().contains("saved on   cuda:0 in A, cpu in B: 4 tensors"), run.out());
    }

    @Test
    void troubleIsStatusTwo() {
        Cli missing = Cli.expect(2, "diff", fixture("training.pt"), "/not/there.pt");
        assertEquals(1, missing.errors().size(), missing.err());
        assertTrue(missing.err().startsWith("torchferry: /not/there.pt"), missing.err());
        Cli.expect(2, "diff", fixture("truncated.pt"), fixture("training.pt"));
        Cli.expect(2, "diff", fixture("training.pt"));
        Cli.expect(2, "diff", "--rtol", "-1", fixture("training.pt"), fixture("training.pt"));
    }
}
