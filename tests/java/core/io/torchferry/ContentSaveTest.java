package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Saving content that is more than a state dict, safetensors files and shards. */
class ContentSaveTest {
    @TempDir
    private Path folder;

    private Path path() {
        return folder.resolve("saved.pt");
    }

    private Value saved(Object content) throws IOException {
        Checkpoint.save(content, path());
        try (Checkpoint file = Checkpoint.open(path(), OpenOptions.DEFAULT.withWeightsOnly(true))) {
            return file.root();
        }
    }

    @Test
    void whatJavaHas() throws IOException {
        Map<Object, Object> content = new LinkedHashMap<>();
        content.put("none", null);
        content.put("true", true);
        content.put("int", 5);
        content.put("long", -1L << 40);
        content.put("big", BigInteger.TWO.pow(100).negate());
        content.put("float", 0.5f);
        content.put("double", Double.NaN);
        content.put("text", "\uD800 \uD83D\uDE00");
        content.put("bytes", new byte[] {0, -1});
        content.put("list", List.of(1, "a", List.of()));
        content.put("set", Set.of(7));
        content.put("ints", new int[] {1, 2});
        content.put("longs", new long[] {3});
        content.put("doubles", new double[] {0.25});
        content.put("floats", new float[] {0.75f});
        content.put("dtype", DType.BFLOAT16);
        content.put("device", Device.cuda(1));
        content.put(3, Content.tuple("x", null, Content.dict().put(true, 1)));
        content.put("size", Content.size(2, 3));
        content.put("ordered", Content.orderedDict().put("a", 1));
        Value root = saved(content);
        assertTrue(root.get("none").isNone());
        assertTrue(root.get("true").asBoolean());
        assertEquals(5, root.get("int").asInt());
        assertEquals(-1L << 40, root.get("long").asLong());
        assertEquals(new Value.Int(BigInteger.TWO.pow(100).negate()), root.get("big"));
        assertEquals(0.5, root.get("float").asDouble());
        assertTrue(Double.isNaN(root.get("double").asDouble()));
        assertEquals("\uD800 \uD83D\uDE00", root.get("text").asString());
        assertArrayEquals(new byte[] {0, -1}, root.get("bytes").asBytes());
        assertEquals("[1, 'a', []]", root.get("list").toString());
        assertEquals(7, ((SetValue) root.get("set")).items().get(0).asInt());
        assertEquals("[1, 2]", root.get("ints").toString());
        assertEquals("[3]", root.get("longs").toString());
        assertEquals("[0.25]", root.get("doubles").toString());
        assertEquals("[0.75]", root.get("floats").toString());
        assertEquals(new DTypeValue("bfloat16"), root.get("dtype"));
        assertEquals(new DeviceValue("cuda:1"), root.get("device"));
        assertEquals("('x', None, {True: 1})", root.asDict().get(3).toString());
        assertEquals("torch.Size", ((TupleValue) root.get("size")).className());
        assertEquals("collections.OrderedDict", root.get("ordered").asDict().className());
        assertEquals(content.size(), root.asDict().size());
    }

    @Test
    void stateDictsAndTensorsShareWhatTheyShare() throws IOException {
        try (StateDict dict = Checkpoint.load(Fixtures.file("views.pt"));
                StateDict same = dict.subset(key -> true)) {
            Tensor first = dict.values().iterator().next();
            Checkpoint.save(Map.of("a", dict, "b", same, "c", List.of(first)), path());
            try (Checkpoint file = Checkpoint.open(path()); StateDict back = file.stateDict()) {
                assertTrue(back.get("c.0").sharesStorageWith(back.get("a." + dict.keySet().iterator().next())));
                assertTrue(Files.size(path()) < Files.size(Fixtures.file("views.pt")) + 20_000);
            }
        }
    }

    @Test
    void anOpenedFileIsSavedAgainWithOneValueChanged() throws IOException {
        Path copy = folder.resolve("training.pt");
        Files.copy(Fixtures.file("training.pt"), copy);
        String before;
        try (Checkpoint file = Checkpoint.open(copy)) {
            before = file.root().toString();
            Checkpoint.save(Content.dict(file.root()).put("new", 4).put("gone", 1).remove("gone"), copy);
        }
        try (Checkpoint file = Checkpoint.open(copy); Checkpoint original = Checkpoint.open(
                Fixtures.file("training.pt"))) {
            assertEquals(4, file.root().get("new").asInt());
            assertFalse(file.root().asDict().containsKey("gone"));
            assertEquals(original.tensors().size(), file.tensors().size());
            assertEquals(original.savedLocations(), file.savedLocations());
            for (int i = 0; i < file.tensors().size(); i++) {
                TensorInfo one = original.tensors().get(i);
                TensorInfo other = file.tensors().get(i);
                assertEquals(one.key(), other.key());
                assertEquals(original.digest(one, "SHA-256"), file.digest(other, "SHA-256"), one.key());
            }
            assertEquals(before.substring(0, 200), file.root().toString().substring(0, 200));
        }
    }

    @Test
    void tensorsOfAFileMayBeSavedUnderOtherNames() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("training.pt"))) {
            TensorInfo info = file.tensors().get(0);
            Checkpoint.save(Content.dict().put("x", info).put("y", Content.data(info)), path());
            try (Checkpoint back = Checkpoint.open(path())) {
                assertEquals(file.digest(info, "SHA-256"), back.digest(back.tensors().get(0), "SHA-256"));
                assertEquals(info.location(), back.tensors().get(0).location());
                assertFalse(back.tensors().get(1).isParameter());
                assertTrue(back.tensors().get(0).sharesStorageWith(back.tensors().get(1)));
            }
        }
    }

    @Test
    void aValueOfAClosedFileIsRefused() throws IOException {
        Value root;
        try (Checkpoint file = Checkpoint.open(Fixtures.file("training.pt"))) {
            root = file.root();
        }
        assertThrows(IllegalStateException.class, () -> Checkpoint.save(root, path()));
        assertFalse(Files.exists(path()));
    }

    @Test
    void mistakesAreNamed() {
        List<Object> loop = new ArrayList<>();
        loop.add(loop);
        Map<Object, Object> mapInItself = new HashMap<>();
        mapInItself.put("self", List.of(1, new Object[] {}));
        Object deep = 1;
        for (int i = 0; i < 1100; i++) {
            deep = List.of(deep);
        }
        Object tooDeep = deep;
        assertMessage("contains itself", () -> Checkpoint.save(loop, path()));
        assertMessage("java.lang.Object[] has no form", () -> Checkpoint.save(mapInItself, path()));
        assertMessage("nested deeper", () -> Checkpoint.save(tooDeep, path()));
        assertMessage("'k.(a key)': a list, dict or set cannot be", () -> Checkpoint.save(
                Map.of("k", Content.dict().put(List.of(1), 2)), path()));
        assertFalse(Files.exists(path()));
    }

    @Test
    void deepContentIsSavedFromAThreadWithLittleStack() throws Exception {
        Object deep = 1;
        for (int i = 0; i < 900; i++) {
            deep = List.of(deep);
        }
        Object content = deep;
        FutureTask<Void> save = new FutureTask<>(() -> {
            Checkpoint.save(content, path());
            return null;
        });
        new Thread(null, save, "little", 256 << 10).start();
        save.get();
        try (Checkpoint file = Checkpoint.open(path())) {
            assertEquals(0, file.tensors().size());
        }
    }

    private static void assertMessage(String words, org.junit.jupiter.api.function.Executable save) {
        IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, save);
        assertTrue(thrown.getMessage().contains(words), thrown::getMessage);
    }

    @Test
    void objectsOfUnknownClassesAreRefusedWithTheirPlace() throws IOException {
        Value object = new ObjectValue("argparse.Namespace", List.of(), List.of(), List.of());
        UnsupportedCheckpointException thrown = assertThrows(UnsupportedCheckpointException.class,
                () -> Checkpoint.save(Map.of("args", List.of(1, object)), path()));
        assertTrue(thrown.getMessage().contains("'args.1': an object of the class argparse.Namespace"),
                thrown::getMessage);
    }

    @Test
    void safetensorsAndShards() throws IOException {
        Path target = folder.resolve("model.safetensors");
        SaveOptions options = SaveOptions.defaults().format(Format.SAFETENSORS).metadata(Map.of("made by", "a test"));
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (int i = 0; i < 4; i++) {
            tensors.put("t" + i, Tensor.of(new float[] {i, 1, 2}));
        }
        tensors.put("tied", tensors.get("t0"));
        try (StateDict dict = StateDict.of(tensors)) {
            SaveReport report = dict.save(target, options);
            assertEquals(List.of(target), report.files());
            assertEquals(Map.of("tied", "t0"), report.repeated());
            assertEquals(Files.size(target), report.bytes());
            assertFalse(report.isSharded());
            try (StateDict back = Checkpoint.load(target)) {
                assertEquals(Set.of("t0", "t1", "t2", "t3"), back.keySet());
            }
            assertTrue(Files.readString(target, java.nio.charset.StandardCharsets.ISO_8859_1).contains("a test"));
            SaveReport shards = dict.save(target, options.maxShardBytes(24).repeatShared(true));
            assertTrue(shards.isSharded());
            assertEquals(folder.resolve("model-00001-of-00003.safetensors"), shards.files().get(0));
            assertEquals(folder.resolve("model.safetensors.index.json"), shards.files().get(3));
            assertEquals(Map.of(), shards.repeated());
            assertThrows(UnsupportedCheckpointException.class,
                    () -> Checkpoint.save(Map.of("a", dict, "epoch", 1), target, options));
        }
        assertThrows(IllegalArgumentException.class, () -> options.format(Format.LEGACY));
        assertThrows(IllegalArgumentException.class, () -> options.maxShardBytes(0));
    }

    @Test
    void shardsOnOtherFileSystems() throws IOException {
        try (FileSystem zip = FileSystems.newFileSystem(folder.resolve("a.zip"), Map.of("create", "true"));
                StateDict dict = StateDict.of(Map.of("a", Tensor.of(new float[8]), "b", Tensor.of(new float[8])))) {
            SaveReport report = dict.save(zip.getPath("/m.bin"), SaveOptions.defaults().maxShardBytes(32));
            assertEquals(zip.getPath("/m.bin.index.json"), report.files().get(2));
            try (Stream<Path> files = Files.list(zip.getPath("/"))) {
                assertEquals(Set.of("m-00001-of-00002.bin", "m-00002-of-00002.bin", "m.bin.index.json"),
                        Set.copyOf(files.map(file -> file.getFileName().toString()).toList()));
            }
        }
    }

    @Test
    void progressCountsTheBytesOfAllParts() throws IOException {
        List<Long> heard = new ArrayList<>();
        try (StateDict dict = StateDict.of(Map.of("a", Tensor.of(new float[1000])))) {
            Checkpoint.save(Content.dict().put("x", dict).put("y", List.of(Tensor.of(new double[10]))), path(),
                    SaveOptions.defaults().progress((done, total) -> heard.add(total)));
        }
        assertEquals(4080L, heard.get(heard.size() - 1));
    }
}
