package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.torchferry.Device;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class LoadTest {
    /** Every committed file that PyTorch reads: what {@code load --digest --json} says is what PyTorch said. */
    @TestFactory
    Stream<DynamicTest> everyFixtureAsPyTorchReadsIt() throws IOException {
        Map<String, Object> catalogue = Json.object(Json.parse(Files.readString(fixture("fixtures.json"))));
        return Json.objects(catalogue, "cases").stream().map(expected -> DynamicTest.dynamicTest(
                (String) expected.get("name"), () -> compare(expected)));
    }

    private static void compare(Map<String, Object> expected) {
        Path file = fixture((String) expected.get("file"));
        Object save = expected.getOrDefault("save_index", 0);
        Map<String, Object> got = Cli.expect(
                0, "load", "--map-location", "cpu", "--digest", "--json", "--save", save, file).object();
        assertEquals(file.toString(), got.get("file"));
        assertEquals(expected.get("format"), got.get("format"));
        assertEquals(expected.get("locations"), got.get("locations"));
        List<String> skipped = Json.objects(got, "skipped").stream().map(s -> (String) s.get("key")).toList();
        List<Map<String, Object>> theirs = Json.objects(expected, "tensors").stream()
                .filter(tensor -> !skipped.contains(tensor.get("key"))).toList();
        List<Map<String, Object>> ours = Json.objects(got, "tensors");
        assertEquals(keys(theirs), keys(ours));
        for (int i = 0; i < ours.size(); i++) {
            for (String member : List.of("dtype", "sha256")) {
                assertEquals(theirs.get(i).get(member), ours.get(i).get(member), ours.get(i) + " " + member);
            }
            if (theirs.get(i).get("shape") != null) {
                assertEquals(theirs.get(i).get("shape"), ours.get(i).get("shape"));
            }
            if (theirs.get(i).get("stride") != null) {
                assertEquals(theirs.get(i).get("stride"), ours.get(i).get("stride"), ours.get(i).toString());
            }
            boolean meta = "meta".equals(theirs.get(i).get("location"));
            assertEquals(meta ? "meta" : "cpu", ours.get(i).get("device"));
        }
    }

    private static List<Object> keys(List<Map<String, Object>> tensors) {
        return tensors.stream().map(tensor -> tensor.get("key")).toList();
    }

    @Test
    void theContractsMembers() {
        Map<String, Object> json = Cli.expect(0, "load", "--map-location", "cpu", "--json",
                fixture("cuda0.pt")).object();
        assertTrue(json.keySet().containsAll(List.of("file", "format", "locations", "tensors")), json.toString());
        Map<String, Object> tensor = Json.objects(json, "tensors").get(0);
        assertEquals(List.of("key", "dtype", "shape", "stride", "location", "device", "nbytes"),
                List.copyOf(tensor.keySet()));
        assertEquals("cuda:0", tensor.get("location"));
        assertEquals(Map.of("cpu", new BigDecimal(32)), json.get("bytes_by_device"), "storages count once");
    }

    @Test
    void digestsAreOverTheElements() {
        Map<String, Object> json = Cli.expect(0, "load", "--digest", "--json", fixture("golden_zip.pt")).object();
        assertEquals("75664b4da1c08de9e8fad52303cc458b3e420edde6591e58761e138cc5e3f163",
                Json.objects(json, "tensors").get(0).get("sha256"), "of 0, 1, 2 as little-endian float32");
    }

    @Test
    void mappedAndReadAreTheSame() {
        Path file = fixture("training.pt");
        Map<String, Object> mapped = Cli.expect(0, "load", "--digest", "--json", file).object();
        Map<String, Object> read = Cli.expect(0, "load", "--digest", "--json", "--no-mmap", "--threads", 2, "--verify",
                file).object();
        assertEquals(mapped.get("tensors"), read.get("tensors"));
        assertEquals(BigDecimal.ZERO, mapped.get("bytes_read"));
        assertEquals(BigDecimal.ZERO, read.get("bytes_mapped"));
    }

    @Test
    void pagesAreBroughtInOnDemand() {
        Path file = fixture("training.pt");
        Map<String, Object> mapped = Cli.expect(0, "load", "--digest", "--json", file).object();
        for (String how : List.of("none", "read-ahead", "populate")) {
            Map<String, Object> loaded = Cli.expect(0, "load", "--digest", "--json", "--prefetch", how,
                    "--mmap-network-files", file).object();
            assertEquals(mapped.get("tensors"), loaded.get("tensors"));
            assertEquals(mapped.get("bytes_mapped"), loaded.get("bytes_mapped"));
        }
        assertTrue(Cli.expect(2, "load", "--prefetch", "all", file).err().contains("populate"));
    }

    @Test
    void oneKeyAndItsPrefix() {
        Map<String, Object> all = Cli.expect(0, "load", "--json", fixture("training.pt")).object();
        Map<String, Object> model = Cli.expect(0, "load", "--json", "--key", "model", fixture("training.pt")).object();
        List<Object> below = keys(Json.objects(all, "tensors")).stream().filter(k -> k.toString().startsWith("model."))
                .map(k -> (Object) k.toString().substring(6)).toList();
        assertFalse(below.isEmpty());
        assertEquals(below, keys(Json.objects(model, "tensors")));
        Map<String, Object> stripped = Cli.expect(0, "load", "--json", "--strip-prefix", "model.",
                fixture("training.pt")).object();
        assertTrue(keys(Json.objects(stripped, "tensors")).containsAll(below));
    }

    @Test
    void filtersAndNewNames() {
        Map<String, Object> model = Cli.expect(0, "load", "--json", "--key", "model", fixture("training.pt")).object();
        List<Object> biases = keys(Json.objects(model, "tensors")).stream()
                .filter(key -> key.toString().endsWith(".bias")).toList();
        assertFalse(biases.isEmpty());
        Map<String, Object> some = Cli.expect(0, "load", "--json", "--no-mmap", "--key", "model", "--filter", "*.bias",
                fixture("training.pt")).object();
        assertEquals(biases, keys(Json.objects(some, "tensors")));
        long bytes = Json.objects(some, "tensors").stream()
                .mapToLong(tensor -> ((BigDecimal) tensor.get("nbytes")).longValue()).sum();
        assertEquals(new BigDecimal(bytes), some.get("bytes_read"), "the others are not touched");
        Map<String, Object> renamed = Cli.expect(0, "load", "--json", "--key", "model", "--filter", "*.bias",
                "--rename", "^(\\d+)\\.=layers.$1.", "--rename", "bias$=b", fixture("training.pt")).object();
        assertEquals(biases.stream().map(key -> "layers." + key.toString().replaceAll("bias$", "b")).toList(),
                keys(Json.objects(renamed, "tensors")));
    }

    @Test
    void whatCannotBeFilteredOrRenamedIsAUsageError() {
        Cli none = Cli.expect(2, "load", "--key", "model", "--filter", "nothing.*", fixture("training.pt"));
        assertTrue(none.err().contains("no tensor passes --filter; there are "), none.err());
        Cli same = Cli.expect(1, "load", "--key", "model", "--rename", ".*=x", fixture("training.pt"));
        assertTrue(same.err().contains("would be named 'x"), same.err());
        Cli.expect(2, "load", "--rename", "(=x", fixture("training.pt"));
        Cli.expect(2, "load", "--rename", "x", fixture("training.pt"));
        Cli group = Cli.expect(2, "load", "--rename", "a=$9", fixture("training.pt"));
        assertTrue(group.err().contains("--rename"), group.err());
    }

    @Test
    void aKeyThatIsNotThereTellsWhatIs() {
        Cli run = Cli.expect(2, "load", "--key", "modle", fixture("training.pt"));
        assertEquals(1, run.errors().size(), run.err());
        assertTrue(run.err().contains("there is: ") && run.err().contains("tensors are under 'model' ("), run.err());
    }

    @Test
    void castsFloatingPointOnly() {
        Map<String, Object> json = Cli.expect(0, "load", "--json", "--cast", "bfloat16",
                fixture("golden_zip.pt")).object();
        Map<String, Object> tensor = Json.objects(json, "tensors").get(0);
        assertEquals("bfloat16", tensor.get("dtype"));
        assertEquals(new BigDecimal(6), tensor.get("nbytes"));
    }

    @Test
    void metaHasNoBytes() {
        Map<String, Object> json = Cli.expect(0, "load", "--json", "--digest", "--map-location", "meta",
                fixture("golden_zip.pt")).object();
        Map<String, Object> tensor = Json.objects(json, "tensors").get(0);
        assertEquals("meta", tensor.get("device"));
        assertNull(tensor.get("sha256"));
    }

    @Test
    void aMissingDeviceIsStatusThreeInTorchsWords() {
        assumeFalse(Device.cuda(0).isAvailable());
        for (String[] line : new String[][] {{}, {"--map-location", "cuda:0"}, {"--map-location", "cuda:1=cpu"}}) {
            Cli run = Cli.expect(ExitStatus.NO_DEVICE, Stream.concat(Stream.of("load", fixture("cuda0.pt")),
                    Stream.of(line)).toArray());
            assertEquals(1, run.errors().size(), run.err());
            assertTrue(run.err().contains("Attempting to deserialize object on a CUDA device but "
                    + "torch.cuda.is_available() is False."), run.err());
            assertTrue(run.err().contains("--map-location cpu"), run.err());
            assertEquals("", run.out());
        }
        Cli.expect(0, "load", "--map-location", "cuda:0=cpu", fixture("cuda0.pt"));
        Cli.expect(0, "load", "--map-location", "best", fixture("cuda0.pt"));
    }

    @Test
    void theWorstStatusOfSeveralFilesCounts() {
        assumeFalse(Device.cuda(0).isAvailable());
        Cli run = Cli.expect(3, "load", "--json", fixture("truncated.pt"), fixture("cuda0.pt"),
                fixture("golden_zip.pt"));
        assertEquals(2, run.errors().size(), run.err());
        assertEquals(1, run.objects().size());
    }

    @Test
    void wrongChecksumsAreFoundOnRequest() {
        Cli.expect(0, "load", fixture("flipped_payload.pt"));
        Cli run = Cli.expect(1, "load", "--verify", fixture("flipped_payload.pt"));
        assertTrue(run.err().contains("CRC-32") && run.err().contains("record archive/data/0, byte 0"), run.err());
    }

    @Test
    void everyFileToRefuseIsRefusedInOneLine() throws IOException {
        Map<String, Object> catalogue = Json.object(Json.parse(Files.readString(fixture("fixtures.json"))));
        int refused = 0;
        for (Map<String, Object> bad : Json.objects(catalogue, "bad")) {
            if (!Json.array(bad.get("accept")).contains("fine")) {
                Path file = fixture((String) bad.get("file"));
                Cli run = Cli.expect(1, "load", "--map-location", "cpu", file);
                assertEquals(1, run.errors().size(), run.err());
                assertTrue(run.err().startsWith("torchferry: " + file), run.err());
                refused++;
            }
        }
        assertTrue(refused >= 5, refused + " files");
    }

    @Test
    void textForAPerson() {
        String text = Cli.expect(0, "load", "--map-location", "cpu", "--all", fixture("cuda0.pt")).out();
        assertTrue(text.contains("saved on cuda:0, now on cpu: 4 tensors"), text);
        assertTrue(text.contains("32 bytes of storages on cpu"), text);
        assertTrue(text.contains("weight"), text);
        assertTrue(text.contains("transfer"), text);
    }
}
