package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.torchferry.Checkpoint;
import io.torchferry.Content;
import io.torchferry.DType;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConvertTest {
    @TempDir
    private Path folder;

    /** Keys and digests of a file's tensors. */
    private static Map<Object, Object> digests(Path file, Object... options) {
        Object[] words = Stream.concat(Stream.of("load", "--map-location", "cpu", "--digest", "--json", file),
                Stream.of(options)).toArray();
        Map<Object, Object> digests = new LinkedHashMap<>();
        Json.objects(Cli.expect(0, words).object(), "tensors")
                .forEach(tensor -> digests.put(tensor.get("key"), tensor.get("sha256")));
        return digests;
    }

    private Path training() throws IOException {
        Path file = folder.resolve("training.pt");
        try (StateDict model = StateDict.of(Map.of("module.w", Tensor.of(new float[] {1, 2, 3})))) {
            Checkpoint.save(Content.dict().put("model", model).put("epoch", 3)
                    .put("state", List.of(Tensor.of(new long[] {4, 5}), Content.tuple(0.9, 0.999))), file);
        }
        return file;
    }

    @Test
    void wholeContentsAreWrittenAgain() throws IOException {
        Path from = fixture("training.pt");
        Path to = folder.resolve("again.pth");
        Map<String, Object> said = Cli.expect(0, "convert", from, to, "--json").object();
        assertEquals("zip", said.get("to"));
        assertEquals(List.of(to.toString()), said.get("files"));
        assertEquals(List.of(), said.get("dropped"));
        assertEquals(digests(from), digests(to));
        try (Checkpoint before = Checkpoint.open(from); Checkpoint after = Checkpoint.open(to)) {
            assertEquals(before.savedLocations(), after.savedLocations());
            assertEquals(before.root().toString(), after.root().toString());
        }
    }

    @Test
    void inAndOutMayBeOneFile() throws IOException {
        Path file = folder.resolve("views.pt");
        Files.copy(fixture("views.pt"), file);
        Map<Object, Object> before = digests(file);
        Cli.expect(0, "convert", file, file, "--location", "cpu");
        assertEquals(before, digests(file));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(1, files.count());
        }
        byte[] bytes = Files.readAllBytes(file);
        Cli.expect(ExitStatus.USAGE, "convert", file, file, "--key", "nowhere");
        assertArrayEquals(bytes, Files.readAllBytes(file));
    }

    @Test
    void whatSafetensorsCannotHoldIsRefusedOrDropped() throws IOException {
        Path from = training();
        Path to = folder.resolve("m.safetensors");
        Cli refused = Cli.expect(ExitStatus.USAGE, "convert", from, to);
        assertEquals(1, refused.errors().size(), refused.err());
        assertTrue(refused.err().contains("epoch (int), state.1 (tuple)"), refused.err());
        assertTrue(refused.err().contains("--drop"), refused.err());
        assertFalse(Files.exists(to));
        Cli dropped = Cli.expect(0, "convert", from, to, "--drop", "--json");
        assertEquals(List.of("epoch", "state.1"),
                Json.objects(dropped.object(), "dropped").stream().map(one -> one.get("path")).toList());
        assertTrue(dropped.err().startsWith("torchferry: note: left out: epoch (int)"), dropped.err());
        assertEquals(digests(from), new LinkedHashMap<>(digests(to)));
        Cli.expect(0, "convert", from, to, "--key", "model", "--strip-prefix", "module.");
        assertEquals(List.of("w"), List.copyOf(digests(to).keySet()));
        assertEquals("", Cli.expect(0, "convert", from, to, "--key", "model").err());
    }

    @Test
    void objectsOfUnknownClassesAreRefusedOrDropped() throws IOException {
        Path from = fixture("opaque.pt");
        Path to = folder.resolve("plain.pt");
        Cli refused = Cli.expect(ExitStatus.USAGE, "convert", from, to);
        assertTrue(refused.err().contains("an object of the class "), refused.err());
        assertFalse(Files.exists(to));
        Cli dropped = Cli.expect(0, "convert", from, to, "--drop", "--json");
        assertFalse(Json.objects(dropped.object(), "dropped").isEmpty());
        Cli.expect(ExitStatus.REFUSED, "inspect", "--weights-only", from);
        Cli.expect(0, "inspect", "--weights-only", to);
        assertTrue(digests(from).values().containsAll(digests(to).values()));
    }

    @Test
    void ofAWholeModelTheStateDictIsWritten() throws IOException {
        Path from = fixture("whole_model.pt");
        for (Path to : List.of(folder.resolve("state.pt"), folder.resolve("state.safetensors"))) {
            Cli run = Cli.expect(0, "convert", from, to);
            assertTrue(run.err().contains("its tensors are written, as a state_dict"), run.err());
            digests(to).forEach((key, digest) -> assertEquals(digest, digests(from).get(key)));
        }
        assertEquals(digests(from), digests(folder.resolve("state.pt")));
        Cli.expect(0, "inspect", "--weights-only", folder.resolve("state.pt"));
    }

    @Test
    void shardsAndTypes() throws IOException {
        Path from = training();
        Path to = folder.resolve("pytorch_model.bin");
        Map<String, Object> said =
                Cli.expect(0, "convert", from, to, "--drop", "--shard-size", "16", "--json").object();
        assertEquals(3, ((List<?>) said.get("files")).size());
        assertTrue(Files.exists(folder.resolve("pytorch_model.bin.index.json")));
        Path half = folder.resolve("half.safetensors");
        Cli.expect(0, "convert", from, half, "--key", "model", "--dtype", "float16", "--to", "safetensors");
        try (StateDict back = Checkpoint.load(half)) {
            assertEquals(DType.FLOAT16, back.get("module.w").dtype());
        }
    }

    @Test
    void mistakesAreStatusTwo() throws IOException {
        Path from = training();
        for (String words : List.of("OUT", "out.xyz", "out.pt --to tar", "out.pt --shard-size 5XB",
                "out.pt --shard-size 0", "out.pt --location gpu", "out.pt --dtype float7")) {
            Object[] line = Stream.concat(Stream.of("convert", from),
                    Stream.of(words.replace("out", folder.resolve("out").toString()).split(" "))).toArray();
            assertEquals(1, Cli.expect(ExitStatus.USAGE, line).errors().size());
        }
        Cli.expect(ExitStatus.REFUSED, "convert", folder.resolve("absent.pt"), folder.resolve("o.pt"));
        Cli.expect(ExitStatus.REFUSED, "convert", from, folder.resolve("absent/o.pt"));
    }

    @Test
    void sizes() {
        assertEquals(5_000_000_000L, Units.parseBytes("5GB"));
        assertEquals(512L << 20, Units.parseBytes("512 MiB"));
        assertEquals(1000, Units.parseBytes("1000"));
        assertEquals(2000, Units.parseBytes("2k"));
        for (String wrong : List.of("", "GB", "-1", "5i", "99999999999TB", "1.5GB")) {
            assertThrows(IllegalArgumentException.class, () -> Units.parseBytes(wrong), wrong);
        }
    }
}
