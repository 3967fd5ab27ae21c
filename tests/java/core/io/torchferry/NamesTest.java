package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Names of tensors and files with any characters, there and back. */
class NamesTest {
    private static final List<String> NAMES = List.of(
            "conv1.weight", "größe", "权重", "🔥.weight", "a\0b", "\uD800", "x\uDFFFy", "🔥\uD83D",
            " ", "é", "e\u0301");

    private static byte[] checkpoint() {
        Map<String, float[]> tensors = new LinkedHashMap<>();
        for (String name : NAMES) {
            tensors.put(name, new float[] {tensors.size()});
        }
        return HandMade.floats("cpu", tensors).zip();
    }

    @Test
    void keysOfTheIndexAndOfValues() throws IOException {
        try (Checkpoint file = Checkpoint.open(ByteBuffer.wrap(checkpoint()))) {
            assertEquals(NAMES, file.tensors().stream().map(TensorInfo::key).toList());
            assertEquals(NAMES, file.root().asDict().names());
            for (String name : NAMES) {
                assertEquals(name, file.value(name).asTensor().key());
                assertEquals(1, file.tensors(name).size());
            }
        }
    }

    @Test
    void keysOfStateDicts() throws IOException {
        try (Checkpoint file = Checkpoint.open(ByteBuffer.wrap(checkpoint())); StateDict dict = file.stateDict()) {
            assertEquals(NAMES, new ArrayList<>(dict.keySet()));
            for (int i = 0; i < NAMES.size(); i++) {
                assertEquals(i, dict.get(NAMES.get(i)).item());
            }
            try (StateDict renamed = dict.renamed(name -> "🔥" + name + "\uDC00")) {
                assertEquals("🔥" + NAMES.get(5) + "\uDC00", new ArrayList<>(renamed.keySet()).get(5));
                assertEquals(5, renamed.get("🔥\uD800\uDC00").item());
            }
        }
    }

    @Test
    void keysThatAreNoTextAreTyped() throws IOException {
        HandMade made = new HandMade().op('}').utf8(new byte[] {(byte) 0xFF}).integer(1).op('s');
        try {
            Checkpoint.open(ByteBuffer.wrap(made.zip())).close();
        } catch (CorruptCheckpointException e) {
            assertEquals("archive/data.pkl", e.record());
            return;
        }
        throw new AssertionError("bytes that are not UTF-8 were taken for a str");
    }

    @Test
    void fileNamesWithAnyCharacters(@TempDir Path folder) throws Exception {
        byte[] content = Files.readAllBytes(Fixtures.file("golden_zip.pt"));
        List<String> names = new ArrayList<>(List.of("plain.pt", "with blank.pt", "100%.pt", "a+b?#.pt", "%41.pt"));
        if (StandardCharsets.UTF_8.name().equals(System.getProperty("sun.jnu.encoding"))) {
            names.addAll(List.of("größe.pt", "权重.pt", "🔥.pt"));
        }
        for (String name : names) {
            Path path = Files.write(folder.resolve(name), content);
            try (Checkpoint file = Checkpoint.open(path)) {
                assertEquals(path.toString(), file.name());
                assertEquals(1, file.tensors().size());
            }
        }
    }

    /** Written by a shell, because Java cannot spell these bytes; found again by listing the folder. */
    @Test
    void fileNamesThatAreNoText(@TempDir Path folder) throws Exception {
        Process shell = new ProcessBuilder("sh", "-c", "cp \"$0\" \"$1/$(printf 'bad\\377\\355\\240.pt')\"",
                Fixtures.file("golden_zip.pt").toString(), folder.toString()).inheritIO().start();
        assertEquals(0, shell.waitFor());
        try (var files = Files.list(folder)) {
            Path found = files.findFirst().orElseThrow();
            try (Checkpoint file = Checkpoint.open(found)) {
                assertEquals(1, file.tensors().size());
            }
        }
    }

    @Test
    void errorsNameTheFileAsItWasGiven(@TempDir Path folder) throws IOException {
        Path relative = Path.of("").toAbsolutePath().relativize(folder.resolve("nöt there.pt"));
        try {
            Checkpoint.open(relative).close();
        } catch (CheckpointException e) {
            assertEquals(relative.toString(), e.file());
            assertTrue(e.getMessage().startsWith(relative + ": "), e.getMessage());
            return;
        }
        throw new AssertionError("a missing file was opened");
    }
}
