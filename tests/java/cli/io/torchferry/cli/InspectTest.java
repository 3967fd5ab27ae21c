package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectTest {
    @Test
    void theGoldenFileAsJson() {
        Path file = fixture("golden_zip.pt");
        Map<String, Object> json = Cli.expect(0, "inspect", "--json", "--values", file).object();
        assertEquals(file.toString(), json.get("file"));
        assertEquals("zip", json.get("format"));
        assertEquals(new BigDecimal(1577), json.get("size"));
        assertEquals(List.of("cpu"), json.get("locations"));
        Map<String, Object> tensor = Json.objects(json, "tensors").get(0);
        assertEquals("a", tensor.get("key"));
        assertEquals("float32", tensor.get("dtype"));
        assertEquals(List.of(new BigDecimal(3)), tensor.get("shape"));
        assertEquals(List.of(new BigDecimal(1)), tensor.get("stride"));
        assertEquals("cpu", tensor.get("location"));
        assertEquals(new BigDecimal(12), tensor.get("nbytes"));
        assertEquals(new BigDecimal(704), tensor.get("file_offset"), "where the payload is");
        assertEquals(Map.of("a", Map.of("$tensor", "a")), json.get("content"));
    }

    @Test
    void theGoldenFileAsText() {
        String text = Cli.expect(0, "inspect", fixture("golden_zip.pt")).out();
        assertTrue(text.contains("format     zip, 1.58 kB"), text);
        assertTrue(text.contains("saved on   cpu"), text);
        assertTrue(text.contains("float32  [3]    cpu"), text);
        assertTrue(text.contains("dict, 1 tensor"), text);
    }

    @Test
    void modelsAreFound() {
        Map<String, Object> json = Cli.expect(0, "inspect", "--json", fixture("training.pt")).object();
        List<Map<String, Object>> places = Json.objects(json, "state_dicts");
        assertEquals(List.of("model"), places.get(0).get("path"), places.toString());
        String text = Cli.expect(0, "inspect", fixture("training.pt")).out();
        assertTrue(text.contains("models     model (" + places.get(0).get("tensors") + " tensors)"), text);
        assertEquals(List.of(), Json.objects(Cli.expect(0, "inspect", "--json", fixture("golden_zip.pt")).object(),
                "state_dicts").get(0).get("path"));
    }

    @Test
    void sharedStoragesAreNamed() {
        Map<String, Object> json = Cli.expect(0, "inspect", "--json", fixture("cuda0.pt")).object();
        assertEquals(List.of("cuda:0"), json.get("locations"));
        Map<String, Object> shared = Json.objects(Json.object(json.get("storages")), "shared").get(0);
        assertEquals(List.of("weight", "tied", "flat"), shared.get("keys"));
        assertEquals(new BigDecimal(24), shared.get("nbytes"));
        String text = Cli.expect(0, "inspect", fixture("cuda0.pt")).out();
        assertTrue(text.contains("24 bytes: weight, tied, flat"), text);
    }

    @Test
    void severalFilesAreOneObjectALineAndOneBadFileKeepsNoOtherBack() {
        Cli run = Cli.expect(1, "inspect", "--json", fixture("golden_zip.pt"), fixture("truncated.pt"), "/not/there.pt",
                fixture("cuda0.pt"));
        assertEquals(List.of(fixture("golden_zip.pt").toString(), fixture("cuda0.pt").toString()),
                run.objects().stream().map(object -> object.get("file")).toList());
        assertEquals(2, run.errors().size(), run.err());
        assertTrue(run.errors().get(0).contains("truncated.pt: "), run.err());
        assertTrue(run.errors().get(1).contains("/not/there.pt"), run.err());
    }

    @Test
    void errorsNameFileRecordAndByte() {
        Path file = fixture("view_out_of_bounds.pt");
        Cli run = Cli.expect(1, "inspect", file);
        assertEquals(1, run.errors().size(), run.err());
        assertTrue(run.err().startsWith("torchferry: " + file + ": record "), run.err());
        assertTrue(run.err().contains("record archive/data.pkl") && run.err().contains(", byte "), run.err());
    }

    @Test
    void foldersEmptyFilesAndOtherFilesAreRefused(@TempDir Path folder) throws Exception {
        Path empty = Files.createFile(folder.resolve("empty.pt"));
        for (Path file : List.of(folder, empty, fixture("not_a_checkpoint.pt"), fixture("fixtures.json"))) {
            Cli run = Cli.expect(1, "inspect", file);
            assertEquals(1, run.errors().size(), run.err());
            assertTrue(run.err().contains(file.toString()), run.err());
            assertFalse(run.err().contains("Exception"), run.err());
        }
    }

    @Test
    void weightsOnlyRefusesWhatTorchRefuses() {
        Path attack = fixture("os_system.pt");
        String text = Cli.expect(0, "inspect", attack).out();
        assertTrue(text.contains("os.system"), text);
        Cli refused = Cli.expect(1, "inspect", "--weights-only", attack);
        assertTrue(refused.err().contains("os.system"), refused.err());
        Cli.expect(0, "inspect", "--weights-only", fixture("golden_zip.pt"));
    }

    @Test
    void contentThatContainsItselfIsRefused() {
        Cli run = Cli.expect(1, "inspect", "--values", fixture("list_in_itself.pt"));
        assertTrue(run.err().contains("contains itself"), run.err());
    }

    @Test
    void contentOfEveryKindIsJson() {
        for (String name : List.of("keys", "numbers", "strings", "bytes_values", "containers", "numpy_values")) {
            Path file = fixture("nested_" + name + ".pt");
            assertTrue(Cli.expect(0, "inspect", "--json", "--values", file).object().containsKey("content"), name);
            String text = Cli.expect(0, "inspect", "--values", file).out();
            assertTrue(text.contains("Content"), text);
            assertTrue(text.chars().noneMatch(c -> c < 0x20 && c != '\n'), "no control characters from the file");
        }
    }

    @Test
    void directoriesAndIndexesAreCheckpoints() {
        for (Path path : List.of(fixture("sharded_bin.d"), fixture("sharded_bin.d/pytorch_model.bin.index.json"))) {
            Map<String, Object> json = Cli.expect(0, "inspect", "--json", path).object();
            assertEquals(path.toString(), json.get("file"));
            assertEquals("sharded", json.get("format"));
            assertEquals(7, Json.objects(json, "tensors").size());
            assertEquals(fixture("sharded_bin.d/pytorch_model-00001-of-00002.bin").toString(),
                    Json.objects(json, "tensors").get(0).get("stored_in"));
        }
        Map<String, Object> json = Cli.expect(0, "inspect", "--json", fixture("distributed_nested.d")).object();
        assertEquals("distributed", json.get("format"));
        Cli refused = Cli.expect(1, "inspect", fixture("."));
        assertTrue(refused.err().contains("open one of its checkpoint files: 'aligned_4096.pt'"), refused.err());
    }

    @Test
    void opaqueObjectsAreListed() {
        Map<String, Object> json = Cli.expect(0, "inspect", "--json", fixture("opaque.pt")).object();
        assertFalse(Json.array(json.get("opaque_globals")).isEmpty());
    }

    @Test
    void equalPartsOfTheContentAreOneLine() {
        String text = Cli.expect(0, "inspect", fixture("training.pt")).out();
        assertTrue(text.contains("0 to 5: 6 times dict, 4 tensors"), text);
        assertTrue(text.contains("model: OrderedDict, 9 tensors"), text);
        assertTrue(text.contains("betas: (0.9, 0.999)"), text);
    }

    @Test
    void longListsAreShortenedUnlessAskedFor() {
        String shortened = Cli.expect(0, "inspect", fixture("training.pt")).out();
        String all = Cli.expect(0, "inspect", "--all", "--values", fixture("training.pt")).out();
        assertTrue(all.length() >= shortened.length());
        assertFalse(all.contains("(--all)"), all);
        assertFalse(all.contains("(--values shows all)"), all);
    }
}
