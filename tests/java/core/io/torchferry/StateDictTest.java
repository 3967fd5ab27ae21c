package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class StateDictTest {

    @Test
    void isAnOrderedUnmodifiableMap() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("training.pt"));
                StateDict dict = file.stateDict("model")) {
            List<String> names = file.tensors("model").stream().map(TensorInfo::key).toList();
            assertEquals(names, new ArrayList<>(dict.keySet()));
            assertEquals(names.size(), dict.size());
            assertSame(dict.get(names.get(0)), dict.get(names.get(0)));
            assertSame(dict.get(names.get(1)), new ArrayList<>(dict.values()).get(1));
            assertNull(dict.get("none"));
            assertNull(dict.get(17));
            assertFalse(dict.containsKey(null));
            assertThrows(UnsupportedOperationException.class, () -> dict.put("a", null));
            assertThrows(UnsupportedOperationException.class, () -> dict.remove(names.get(0)));
            assertThrows(UnsupportedOperationException.class, dict::clear);
            var end = dict.entrySet().iterator();
            names.forEach(name -> assertEquals(name, end.next().getKey()));
            assertThrows(NoSuchElementException.class, end::next);
            assertTrue(dict.toString().startsWith("StateDict{'0.weight': tensor(..., size="), dict.toString());
        }
    }

    @Test
    void tensorsEqualTheFiles() throws IOException {
        for (String name : List.of("dtypes.pt", "views.pt", "sharing.pt", "lazy_bits.pt", "deflated.pt",
                "big_endian.pt", "misaligned.pt", "quantized.pt", "attributes.pt")) {
            for (boolean mmap : new boolean[] {true, false}) {
                compare(name, mmap);
            }
        }
    }

    private static void compare(String name, boolean mmap) throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file(name));
                StateDict dict = file.stateDict(LoadOptions.defaults().mmap(mmap))) {
            List<String> skipped = dict.report().skipped().stream().map(LoadReport.Skipped::key).toList();
            for (TensorInfo info : file.tensors()) {
                Tensor tensor = dict.get(info.key());
                if (tensor == null) {
                    assertTrue(skipped.contains(info.key()), name + ": " + info);
                    continue;
                }
                String what = name + ": " + info;
                assertEquals(info.dtype(), tensor.dtype(), what);
                assertArrayEquals(info.shape(), tensor.shape(), what);
                assertArrayEquals(info.stride(), tensor.stride(), what);
                assertEquals(info.storageOffset(), tensor.storageOffset(), what);
                assertEquals(info.nbytes(), tensor.nbytes(), what);
                assertEquals(info.numel(), tensor.numel(), what);
                assertEquals(info.isContiguous(), tensor.isContiguous(), what);
                assertEquals(info.requiresGrad(), tensor.requiresGrad(), what);
                assertEquals(file.digest(info, "SHA-256"), tensor.digest("SHA-256"), what);
            }
        }
    }

    @Test
    void sharingIsSeen() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("sharing.pt")); StateDict dict = file.stateDict()) {
            for (TensorInfo one : file.tensors()) {
                for (TensorInfo other : file.tensors()) {
                    if (one.numel() > 0 && other.numel() > 0) {
                        assertEquals(one.sharesStorageWith(other),
                                dict.get(one.key()).sharesStorageWith(dict.get(other.key())), one + ", " + other);
                    }
                }
            }
            try (StateDict renamed = dict.renamed(key -> "x." + key)) {
                assertTrue(renamed.get("x.flat").sharesStorageWith(dict.get("same")));
            }
        }
    }

    @Test
    void subsetsAndNames() throws IOException {
        Map<String, float[]> tensors = new LinkedHashMap<>();
        for (String name : List.of("module.a.weight", "module.b", "other", "module.module.c")) {
            tensors.put(name, new float[] {tensors.size()});
        }
        try (Checkpoint file = Checkpoint.open(ByteBuffer.wrap(HandMade.floats("cpu", tensors).zip()));
                StateDict dict = file.stateDict();
                StateDict part = dict.withPrefix("module.");
                StateDict stripped = dict.withPrefixStripped("module.");
                StateDict some = dict.subset(name -> name.contains("b"))) {
            assertEquals(List.of("module.a.weight", "module.b", "module.module.c"), new ArrayList<>(part.keySet()));
            assertEquals(List.of("a.weight", "b", "other", "module.c"), new ArrayList<>(stripped.keySet()));
            assertEquals(3, stripped.get("module.c").item());
            assertEquals(List.of("module.b"), new ArrayList<>(some.keySet()));
            IllegalArgumentException twice =
                    assertThrows(IllegalArgumentException.class, () -> dict.renamed(name -> "same"));
            assertEquals("both 'module.a.weight' and 'module.b' would be named 'same'", twice.getMessage());
            assertThrows(NullPointerException.class, () -> dict.renamed(name -> null));
            try (StateDict none = dict.subset(name -> false)) {
                assertTrue(none.isEmpty());
                assertFalse(none.containsKey("other"));
            }
        }
    }

    @Test
    void metadataFollowsTheModules() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("training.pt")); StateDict dict = file.stateDict("model");
                StateDict below = dict.renamed(key -> "module." + key); StateDict all = file.stateDict()) {
            Map<String, Long> versions = dict.metadata().orElseThrow();
            assertEquals(1, versions.get(""));
            assertEquals(2, versions.get("1"), versions.toString());
            assertThrows(UnsupportedOperationException.class, () -> versions.put("", 3L));
            assertEquals(Optional.empty(), all.metadata());
            try (StateDict stripped = dict.withPrefixStripped("1.")) {
                assertEquals(2, stripped.metadata().orElseThrow().get(""));
                assertFalse(stripped.metadata().orElseThrow().containsKey("1"));
            }
            Map<String, Long> moved = new LinkedHashMap<>();
            versions.forEach((name, version) -> moved.put(name.isEmpty() ? "module" : "module." + name, version));
            assertEquals(moved, below.metadata().orElseThrow());
            try (StateDict back = below.withPrefixStripped("module.")) {
                assertEquals(versions, back.metadata().orElseThrow());
            }
            try (StateDict part = below.subset("module.1")) {
                assertEquals(2, part.metadata().orElseThrow().get(""));
                assertTrue(part.containsKey("weight"), part.toString());
            }
        }
    }

    @Test
    void parametersAreKnown() throws IOException {
        try (StateDict dict = Checkpoint.load(Fixtures.file("attributes.pt"))) {
            assertTrue(dict.isParameter("parameter"));
            assertFalse(dict.isParameter("plain"));
            assertThrows(NoSuchElementException.class, () -> dict.isParameter("none"));
            assertTrue(dict.get("parameter").requiresGrad());
        }
    }

    @Test
    void castsFloatingPointOnly() throws IOException {
        try (StateDict dict = Checkpoint.load(Fixtures.file("dtypes.pt")); StateDict wide = dict.subset(
                key -> List.of("float16", "float32", "bfloat16", "int32").contains(key)).cast(DType.FLOAT64)) {
            assertEquals(DType.FLOAT64, wide.get("bfloat16").dtype());
            assertEquals(DType.INT32, wide.get("int32").dtype());
            assertArrayEquals(dict.get("float16").toDoubleArray(), wide.get("float16").toDoubleArray());
            assertThrows(IllegalArgumentException.class, () -> dict.cast(DType.INT32));
        }
        try (StateDict cast = Checkpoint.load(Fixtures.file("golden_zip.pt"),
                LoadOptions.defaults().cast(DType.FLOAT16))) {
            assertEquals(DType.FLOAT16, cast.get("a").dtype());
            assertArrayEquals(new float[] {0, 1, 2}, cast.get("a").toFloatArray());
        }
    }

    @Test
    void theFourFormsOfMapLocation() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("cuda_mixed.pt"))) {
            List<String> asked = new ArrayList<>();
            try (StateDict dict = file.stateDict(MapLocation.by(location -> {
                asked.add(location);
                return location.equals("cuda:1") ? Device.meta() : location.equals("cpu") ? null : Device.cpu();
            }))) {
                assertEquals(List.of("cpu", "cuda:0", "cuda:1"), asked);
                assertEquals(Device.meta(), dict.get("cuda1.0").device());
                assertEquals(Device.cpu(), dict.get("cuda0.w").device());
                assertEquals(Device.cpu(), dict.get("cpu").device());
                assertThrows(UnsupportedOperationException.class, () -> dict.get("cuda1.0").toByteArray());
                assertThrows(IllegalStateException.class, () -> dict.get("cuda1.0").asByteBuffer());
            }
            try (StateDict dict = file.stateDict(MapLocation.remap(
                    Map.of("cuda:0", Device.cpu(), "cuda:1", Device.parse("cpu:0"))))) {
                assertTrue(dict.values().stream().allMatch(tensor -> tensor.device().isCpu()));
            }
            try (StateDict dict = file.stateDict(Device.meta(), "cuda0")) {
                assertEquals(List.of("w", "view"), new ArrayList<>(dict.keySet()));
                assertEquals(Device.meta(), dict.get("w").device());
            }
            try (StateDict local = file.stateDict(LoadOptions.defaults().filter(key -> key.equals("cpu")))) {
                assertEquals(1, local.size());
            }
        }
    }

    @Test
    void functionsAreAskedForLocationsInUseOnly() throws IOException {
        List<String> asked = new ArrayList<>();
        MapLocation record = MapLocation.by(location -> {
            asked.add(location);
            return Device.cpu();
        });
        LoadOptions options = LoadOptions.defaults().mapLocation(record).filter(key -> key.startsWith("cuda1"));
        try (Checkpoint file = Checkpoint.open(Fixtures.file("cuda_mixed.pt"));
                StateDict dict = file.stateDict(options)) {
            assertEquals(List.of("cuda:1"), asked);
            assertEquals(2, dict.size());
        }
    }

    @Test
    void plansTellWhatALoadWillDo() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("cuda_mixed.pt"))) {
            LoadPlan plan = file.plan(LoadOptions.defaults().mapLocation(MapLocation.remap(
                    Map.of("cuda:0", Device.cpu(), "cuda:1", Device.meta()))));
            assertEquals(Device.meta(), plan.devices().get("cuda:1"));
            assertEquals(Device.cpu(), plan.devices().get("cpu"));
            for (LoadPlan.StoragePlan storage : plan.storages()) {
                assertEquals(storage.savedLocation().equals("cuda:1"), storage.device().isMeta());
                assertEquals(storage.device().isMeta(), storage.transfer() == LoadPlan.Transfer.NOTHING);
            }
            assertEquals(0, plan.bytesRead());
            LoadPlan copy = file.plan(LoadOptions.defaults().mapLocation(Device.cpu()).mmap(false), "cuda0");
            assertEquals(1, copy.storages().size());
            assertEquals(LoadPlan.Transfer.READ, copy.storages().get(0).transfer());
            assertEquals(copy.storages().get(0).nbytes(), copy.bytesRead());
            assertEquals(copy.bytesRead(), copy.bytesByDevice().get(Device.cpu()));
        }
    }

    @Test
    void reportsTellWhatALoadDid() throws IOException {
        try (StateDict mapped = Checkpoint.load(Fixtures.file("golden_zip.pt"));
                StateDict copied = Checkpoint.load(Fixtures.file("golden_zip.pt"),
                        LoadOptions.defaults().mmap(false))) {
            assertEquals(12, mapped.report().bytesMapped());
            assertEquals(0, mapped.report().bytesRead());
            assertEquals(12, copied.report().bytesRead());
            assertEquals(List.of(), copied.report().skipped());
            assertEquals(12, mapped.bytesByDevice().get(Device.cpu()));
        }
    }

    @Test
    void dictsOfTensors() {
        try (Tensor a = Tensor.of(new float[] {1, 2}); Tensor b = Tensor.of(new long[] {3});
                StateDict dict = StateDict.of(new LinkedHashMap<>(Map.of("a", a)));
                StateDict empty = StateDict.of(Map.of())) {
            a.asByteBuffer().putFloat(0, 9);
            assertEquals(9, dict.get("a").toFloatArray()[0]);
            assertTrue(dict.get("a").sharesStorageWith(a));
            assertEquals(0, empty.size());
            Map<String, Tensor> several = new LinkedHashMap<>();
            several.put("b", b);
            several.put("a", a);
            several.put("b again", b);
            try (StateDict three = StateDict.of(several)) {
                assertEquals(List.of("b", "a", "b again"), new ArrayList<>(three.keySet()));
                assertTrue(three.get("b").sharesStorageWith(three.get("b again")));
                assertEquals(LoadReport.class, three.report().getClass());
            }
        }
    }

    @Test
    void manyTensorsThatStandAlone() {
        Map<String, Tensor> several = new LinkedHashMap<>();
        for (int i = 0; i < 20_000; i++) {
            several.put("t" + i, Tensor.scalar((long) i));
        }
        try (StateDict dict = StateDict.of(several)) {
            several.values().forEach(Tensor::close);
            assertEquals(19_999, dict.get("t19999").itemAsLong());
        }
    }

    @Test
    void tenThousandTensors() throws IOException {
        Map<String, float[]> tensors = new LinkedHashMap<>();
        for (int i = 0; i < 10_000; i++) {
            tensors.put("layer." + i + ".weight", new float[] {i});
        }
        try (Checkpoint file = Checkpoint.open(ByteBuffer.wrap(HandMade.floats("cpu", tensors).zip()));
                StateDict dict = file.stateDict()) {
            assertEquals(10_000, dict.size());
            assertNotNull(dict.get("layer.9999.weight"));
            for (int i = 0; i < 10_000; i += 1234) {
                assertEquals(i, dict.get("layer." + i + ".weight").item());
            }
            assertNull(dict.get("layer.10000.weight"));
        }
    }

    @Test
    void whatCannotBeLoadedIsReportedAndTheRestIsThere() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("sparse.pt")); StateDict dict = file.stateDict()) {
            Tensor coo = dict.get("coo");
            assertEquals(Layout.SPARSE_COO, coo.layout());
            assertArrayEquals(dict.get("dense").toFloatArray(), dict.get("csr").toFloatArray());
            assertTrue(dict.get("dense").digest("SHA-256").equals(dict.get("bsc").digest("SHA-256")));
            assertEquals(0, coo.stride().length);
            assertThrows(IllegalStateException.class, coo::asByteBuffer);
        }
    }
}
