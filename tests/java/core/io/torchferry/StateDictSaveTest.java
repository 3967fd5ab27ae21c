package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StateDictSaveTest {
    private static final List<String> FILES = List.of("dtypes.pt", "views.pt", "sharing.pt", "lazy_bits.pt",
            "deflated.pt", "big_endian.pt", "misaligned.pt", "quantized.pt", "attributes.pt", "sparse.pt");

    @TempDir
    Path folder;

    private Path saved() {
        return folder.resolve("saved.pt");
    }

    private List<String> filesInFolder() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void whatIsSavedComesBackBitByBit() throws IOException {
        for (String name : FILES) {
            if (Fixtures.class.getResource("/fixtures/" + name) == null) {
                throw new AssertionError("no fixture " + name);
            }
            for (boolean ordered : new boolean[] {true, false}) {
                try (StateDict dict = Checkpoint.load(Fixtures.file(name))) {
                    dict.save(saved(), SaveOptions.defaults().orderedDict(ordered));
                    try (StateDict back = Checkpoint.load(saved(), LoadOptions.defaults().weightsOnly(true)
                            .verifyChecksums(true))) {
                        compare(name, dict, back);
                        assertEquals(ordered ? dict.metadata() : Optional.empty(), back.metadata());
                    }
                }
            }
        }
    }

    private static void compare(String name, StateDict expected, StateDict actual) {
        assertEquals(new ArrayList<>(expected.keySet()), new ArrayList<>(actual.keySet()), name);
        assertFalse(expected.isEmpty(), name);
        Map<Tensor, Tensor> pairs = new LinkedHashMap<>();
        for (String key : expected.keySet()) {
            Tensor before = expected.get(key);
            Tensor after = actual.get(key);
            String what = name + ": " + key;
            assertEquals(before.dtype(), after.dtype(), what);
            assertEquals(before.device(), after.device(), what);
            assertEquals(before.layout(), after.layout(), what);
            assertArrayEquals(before.shape(), after.shape(), what);
            assertArrayEquals(before.stride(), after.stride(), what);
            assertEquals(before.storageOffset(), after.storageOffset(), what);
            assertEquals(before.nbytes(), after.nbytes(), what);
            assertEquals(before.digest("SHA-256"), after.digest("SHA-256"), what);
            pairs.forEach((other, otherAfter) ->
                    assertEquals(before.sharesStorageWith(other), after.sharesStorageWith(otherAfter), what));
            pairs.put(before, after);
        }
    }

    @Test
    void versionsAndNamesStay() throws IOException {
        try (StateDict dict = Checkpoint.load(Fixtures.file("training.pt"), LoadOptions.defaults(), "model");
                StateDict renamed = dict.renamed(key -> "na\u00efve \ud83d\udd25." + key)) {
            assertTrue(dict.metadata().isPresent());
            dict.save(saved());
            try (StateDict back = Checkpoint.load(saved())) {
                assertEquals(dict.metadata(), back.metadata());
            }
            renamed.save(saved());
            try (StateDict back = Checkpoint.load(saved())) {
                compare("renamed", renamed, back);
            }
        }
    }

    @Test
    void optionsAreImmutableAndReachTheFile() throws IOException {
        SaveOptions options = SaveOptions.defaults().alignment(4096).checksums(false).locationTags(LocationTags.CPU)
                .keepParameters(true).orderedDict(false).compact(true);
        assertEquals(64, SaveOptions.defaults().alignment());
        assertTrue(SaveOptions.defaults().checksums() && SaveOptions.defaults().orderedDict());
        assertFalse(SaveOptions.defaults().compact() || SaveOptions.defaults().keepParameters());
        assertEquals(4096, options.alignment());
        assertFalse(options.checksums() || options.orderedDict());
        assertTrue(options.compact() && options.keepParameters());
        assertEquals(LocationTags.CPU, options.locationTags());
        for (int alignment : new int[] {0, 1, 8, 48, 1 << 17, -64, Integer.MIN_VALUE}) {
            assertThrows(IllegalArgumentException.class, () -> options.alignment(alignment));
        }
        try (StateDict dict = Checkpoint.load(Fixtures.file("attributes.pt"))) {
            dict.save(saved(), options);
            try (Checkpoint file = Checkpoint.open(saved()); StateDict back = file.stateDict()) {
                assertEquals(dict.keySet(), back.keySet());
                dict.keySet().forEach(key -> assertEquals(dict.isParameter(key), back.isParameter(key), key));
                assertTrue(dict.keySet().stream().anyMatch(dict::isParameter));
                assertTrue(file.root().toString().startsWith("{"), file.root()::toString);
                file.tensors().stream().filter(tensor -> tensor.storageOffset() == 0 && tensor.isPlainRange())
                        .forEach(tensor -> assertEquals(0, tensor.fileOffset().orElseThrow() % 4096));
            }
        }
    }

    @Test
    void compactLeavesOutWhatNoTensorReaches() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("views.pt")); StateDict views = file.stateDict()) {
            TensorInfo part = file.tensors().stream().filter(one -> one.nbytes() * 2 < one.storageBytes()).findFirst()
                    .orElseThrow();
            try (StateDict one = views.subset(part.key()::equals)) {
                assertEquals(part.storageBytes(), savedStorageBytes(one, SaveOptions.defaults()));
                assertEquals(part.nbytes(), savedStorageBytes(one, SaveOptions.defaults().compact(true)));
            }
            views.save(saved(), SaveOptions.defaults().compact(true));
            try (StateDict back = Checkpoint.load(saved())) {
                for (String key : views.keySet()) {
                    assertArrayEquals(views.get(key).shape(), back.get(key).shape(), key);
                    assertEquals(views.get(key).digest("SHA-256"), back.get(key).digest("SHA-256"), key);
                }
            }
        }
    }

    private long savedStorageBytes(StateDict one, SaveOptions options) throws IOException {
        one.save(saved(), options);
        try (Checkpoint file = Checkpoint.open(saved())) {
            return file.tensors().get(0).storageBytes();
        }
    }

    @Test
    void aFailedSaveLeavesTheOldFileAndNothingElse() throws Exception {
        Files.writeString(saved(), "the old file");
        try (StateDict dict = Checkpoint.load(Fixtures.file("views.pt"));
                Tensor large = Tensor.of(new float[2_000_000], 2_000_000);
                StateDict more = StateDict.of(Map.of("large", large))) {
            Progress cancelled = new Progress();
            cancelled.cancel();
            assertThrows(CancellationException.class,
                    () -> dict.save(saved(), SaveOptions.defaults().progress(cancelled)));
            assertFileSizeLimitIsReported(more);
            Path absent = folder.resolve("absent").resolve("saved.pt");
            CheckpointException error = assertThrows(CheckpointException.class, () -> dict.save(absent));
            assertTrue(error.getMessage().contains("does not exist; create it first"), error::getMessage);
            assertEquals(absent.toString(), error.file());
            assertThrows(CheckpointException.class, () -> dict.save(folder));
            assertThrows(CheckpointException.class, () -> dict.save(Path.of("/dev/full")));
        }
        assertEquals("the old file", Files.readString(saved()));
        assertEquals(List.of("saved.pt"), filesInFolder());
    }

    /** Files of this process may not grow beyond a mebibyte for a moment: what a full disk does to the writer. */
    private void assertFileSizeLimitIsReported(StateDict dict) throws Exception {
        if (!Files.isExecutable(Path.of("/usr/bin/prlimit"))) {
            return;
        }
        String before = prlimit("--fsize", "--output=SOFT", "--noheadings");
        prlimit("--fsize=1048576:");
        try {
            CheckpointException error = assertThrows(CheckpointException.class, () -> dict.save(saved()));
            assertTrue(error.getMessage().contains("ulimit -f"), error::getMessage);
        } finally {
            prlimit("--fsize=" + before + ":");
        }
    }

    private static String prlimit(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("/usr/bin/prlimit", "--pid",
                Long.toString(ProcessHandle.current().pid())));
        command.addAll(List.of(arguments));
        Process prlimit = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String output = new String(prlimit.getInputStream().readAllBytes()).strip();
        assertEquals(0, prlimit.waitFor());
        return output;
    }

    @Test
    void aFolderThatMayNotBeWrittenToIsReported() throws IOException {
        assertTrue(folder.toFile().setWritable(false));
        try (StateDict dict = Checkpoint.load(Fixtures.file("views.pt"))) {
            assumeTrue(!Files.isWritable(folder), "this user may write anywhere");
            CheckpointException error = assertThrows(CheckpointException.class, () -> dict.save(saved()));
            assertTrue(error.getMessage().contains("save where this user may write"), error::getMessage);
        } finally {
            assertTrue(folder.toFile().setWritable(true));
        }
        assertEquals(List.of(), filesInFolder());
    }

    @Test
    void theFileItWasLoadedFromMayBeReplaced() throws IOException {
        Files.copy(Fixtures.file("views.pt"), saved());
        try (StateDict dict = Checkpoint.load(saved())) {
            String key = dict.keySet().iterator().next();
            String digest = dict.get(key).digest("SHA-256");
            try (StateDict one = dict.subset(key::equals)) {
                one.save(saved());
            }
            assertEquals(digest, dict.get(key).digest("SHA-256"));
            try (StateDict back = Checkpoint.load(saved())) {
                assertEquals(List.of(key), new ArrayList<>(back.keySet()));
                assertEquals(digest, back.get(key).digest("SHA-256"));
            }
        }
    }

    @Test
    void progressIsFollowed() throws IOException {
        Progress progress = new Progress();
        List<Long> heard = new ArrayList<>();
        try (Tensor tensor = Tensor.of(new float[3_000_000], 3_000_000);
                StateDict dict = StateDict.of(Map.of("a", tensor))) {
            dict.save(saved(), SaveOptions.defaults().progress(progress).progress((done, total) -> heard.add(total)));
        }
        assertEquals(12_000_000, progress.done());
        assertEquals(12_000_000, progress.total());
        assertEquals(12_000_000L, heard.get(heard.size() - 1));
    }

    @Test
    void otherFileSystemsAreWrittenTo() throws IOException {
        Path archive = folder.resolve("archive.zip");
        try (FileSystem zip = FileSystems.newFileSystem(archive, Map.of("create", "true"));
                StateDict dict = Checkpoint.load(Fixtures.file("views.pt"))) {
            Path inside = zip.getPath("/saved.pt");
            dict.save(inside);
            dict.save(inside);
            try (StateDict back = Checkpoint.load(inside); Stream<Path> files = Files.list(zip.getPath("/"))) {
                compare("zip", dict, back);
                assertEquals(1, files.count());
            }
        }
    }

    @Test
    void closedDictsAreNotSaved() throws IOException {
        StateDict dict = Checkpoint.load(Fixtures.file("views.pt"));
        dict.close();
        assertThrows(IllegalStateException.class, () -> dict.save(saved()));
        assertEquals(List.of(), filesInFolder());
    }
}
