package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Shards with an index, and directories of torch.distributed.checkpoint, written by real PyTorch. */
class SeveralFilesTest {
    private static final Path SHARDS = Fixtures.file("sharded_safetensors.d");
    private static final Path DISTRIBUTED = Fixtures.file("distributed_nested.d");
    private static final Path RANKS = Fixtures.file("distributed_ranks.d");

    private static TensorInfo named(Checkpoint file, String key) {
        return file.tensors().stream().filter(tensor -> tensor.key().equals(key)).findFirst().orElseThrow();
    }

    @Test
    void shardsAreOneCheckpoint() throws IOException {
        for (Path path : List.of(SHARDS, SHARDS.resolve("model.safetensors.index.json"))) {
            try (Checkpoint file = Checkpoint.open(path); StateDict dict = file.stateDict()) {
                assertEquals(Format.SHARDED, file.format());
                assertEquals(path.toString(), file.name());
                assertEquals(7, file.tensors().size());
                assertEquals(7, dict.size());
                assertEquals(12345678901L, dict.get("layers.1.steps").item());
                assertTrue(dict.report().bytesMapped() > 0);
                long bytes = 0;
                try (var files = Files.list(SHARDS)) {
                    for (Path one : files.toList()) {
                        bytes += Files.size(one);
                    }
                }
                assertEquals(bytes, file.size());
                Value metadata = file.metadata().orElseThrow();
                assertEquals(file.tensors().stream().mapToLong(TensorInfo::nbytes).sum(),
                        metadata.get("total_size").asLong());
            }
        }
    }

    @Test
    void tensorsTellTheirFile() throws IOException {
        try (Checkpoint file = Checkpoint.open(SHARDS)) {
            TensorInfo embed = named(file, "embed.weight");
            assertEquals(Optional.of(SHARDS.resolve("model-00001-of-00003.safetensors").toString()), embed.file());
            assertEquals("model-00001-of-00003.safetensors/embed.weight", embed.storageKey());
            assertEquals(embed.nbytes(), file.bytes(embed).remaining());
            assertTrue(embed.fileOffset().isPresent());
        }
        try (Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
            assertEquals(Optional.empty(), named(file, "a").file());
        }
    }

    @Test
    void oneTensorOfTheIndexCanBeLoaded() throws IOException {
        try (Checkpoint file = Checkpoint.open(SHARDS); StateDict dict = file.stateDict("layers.1.steps")) {
            assertEquals(12345678901L, dict.get("").item());
            IllegalArgumentException wrong =
                    assertThrows(IllegalArgumentException.class, () -> file.stateDict("model"));
            assertTrue(wrong.getMessage().contains("'embed.weight'"), wrong.getMessage());
        }
    }

    @Test
    void twoLoadsOfShardsDoNotSeeEachOthersWrites() throws IOException {
        try (Checkpoint file = Checkpoint.open(SHARDS); StateDict first = file.stateDict();
                StateDict second = file.stateDict()) {
            first.get("layers.1.steps").asByteBuffer().putLong(0, 1);
            assertEquals(12345678901L, second.get("layers.1.steps").item());
        }
    }

    @Test
    void nestedContentComesBack() throws IOException {
        try (Checkpoint file = Checkpoint.open(DISTRIBUTED)) {
            assertEquals(Format.DISTRIBUTED, file.format());
            assertEquals(List.of("model.w", "model.layers.0.b", "list.0", "list.1.a"),
                    file.tensors().stream().map(TensorInfo::key).toList());
            assertEquals(3, file.value("epoch").asLong());
            assertEquals("text", file.value("list", "2").asString());
            assertEquals(List.of(), file.opaqueGlobals());
            try (StateDict model = file.stateDict("model")) {
                assertEquals(5f, model.get("w").toFloatArray()[5]);
                assertTrue(model.containsKey("layers.0.b"));
            }
        }
        Checkpoint.open(DISTRIBUTED, OpenOptions.DEFAULT.withWeightsOnly(true)).close();
    }

    @Test
    void whatSeveralRanksSavedIsPutTogether() throws IOException {
        try (Checkpoint file = Checkpoint.open(RANKS)) {
            TensorInfo rows = named(file, "rows");
            assertEquals(Optional.empty(), rows.file());
            assertEquals(OptionalLong.empty(), rows.fileOffset());
            assertFalse(rows.isPlainRange());
            assertThrows(UnsupportedCheckpointException.class, () -> file.bytes(rows));
            ByteBuffer elements = ByteBuffer.allocate(8).order(java.nio.ByteOrder.LITTLE_ENDIAN);
            file.readElements(rows, 11, elements);
            assertEquals(11f, elements.getFloat(0));
            assertEquals(12f, elements.getFloat(4));
            LoadPlan plan = file.plan(LoadOptions.defaults());
            assertTrue(plan.storages().stream().anyMatch(
                    step -> step.storageKey().equals("rows") && step.transfer() == LoadPlan.Transfer.READ));
            for (boolean verify : new boolean[] {true, false}) {
                try (StateDict dict = file.stateDict(LoadOptions.defaults().verifyChecksums(verify))) {
                    float[] all = dict.get("rows").toFloatArray();
                    for (int i = 0; i < all.length; i++) {
                        assertEquals(i, all[i]);
                    }
                }
            }
        }
    }

    @Test
    void nothingOutsideTheFolderIsOpened(@TempDir Path folder) throws IOException {
        Path index = Files.writeString(folder.resolve("index.json"), "{\"weight_map\": {\"a\": \"../x\"}}");
        CorruptCheckpointException refused =
                assertThrows(CorruptCheckpointException.class, () -> Checkpoint.open(index));
        assertEquals(index.toString(), refused.file());
        assertTrue(refused.getMessage().contains("'a'") && refused.getMessage().contains("'../x'"),
                refused.getMessage());
    }

    @Test
    void directoriesTellWhatToOpen(@TempDir Path folder) throws IOException {
        Path file = Files.copy(Fixtures.file("golden_zip.pt"), folder.resolve("model.pth"));
        CheckpointException none = assertThrows(CheckpointException.class, () -> Checkpoint.open(folder));
        assertTrue(none.getMessage().contains("'model.pth'"), none.getMessage());
        assertEquals(folder.toString(), none.file());
        Files.delete(file);
        Files.writeString(folder.resolve("index.json"), "{\"weight_map\": {}}");
        try (Checkpoint empty = Checkpoint.open(folder)) {
            assertTrue(empty.tensors().isEmpty());
        }
        ByteBuffer inMemory = ByteBuffer.wrap(Files.readAllBytes(folder.resolve("index.json")));
        assertThrows(UnsupportedCheckpointException.class, () -> Checkpoint.open(inMemory));
        assertThrows(LimitExceededException.class, () -> Checkpoint.open(SHARDS,
                OpenOptions.DEFAULT.withLimits(Limits.DEFAULT.withTensors(3))));
    }
}
