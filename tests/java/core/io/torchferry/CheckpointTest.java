package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {
    /** SHA-256 of the float32 values 0, 1, 2, as Python computed it. */
    private static final String GOLDEN_SHA = "75664b4da1c08de9e8fad52303cc458b3e420edde6591e58761e138cc5e3f163";

    @Test
    void readsTheGoldenFile() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
            assertEquals(Format.ZIP, file.format());
            assertEquals("zip", file.format().toString());
            assertEquals(1577, file.size());
            assertEquals(List.of("cpu"), file.savedLocations());
            assertEquals(List.of(), file.opaqueGlobals());
            assertEquals(1, file.tensors().size());
            TensorInfo a = file.tensors().get(0);
            assertEquals("a", a.key());
            assertEquals(DType.FLOAT32, a.dtype());
            assertArrayEquals(new long[] {3}, a.shape());
            assertArrayEquals(new long[] {1}, a.stride());
            assertEquals(0, a.storageOffset());
            assertEquals(12, a.nbytes());
            assertEquals(3, a.numel());
            assertEquals("cpu", a.location());
            assertEquals("0", a.storageKey());
            assertEquals(12, a.storageBytes());
            assertEquals(OptionalLong.of(704), a.fileOffset());
            assertEquals(Layout.STRIDED, a.layout());
            assertTrue(a.isContiguous());
            assertTrue(a.isPlainRange());
            assertFalse(a.requiresGrad() || a.isParameter() || a.isBuffer() || a.isConj() || a.isNeg());
            assertEquals(Optional.empty(), a.quantization());
            assertEquals(Optional.empty(), a.unsupportedReason());
            assertEquals("a: float32 [3] at cpu", a.toString());
            assertEquals(GOLDEN_SHA, file.digest(a, "SHA-256"));
        }
    }

    @Test
    void everyWayToOpenGivesTheSame(@TempDir Path folder) throws IOException {
        Path path = Fixtures.file("golden_zip.pt");
        byte[] bytes = Files.readAllBytes(path);
        ByteBuffer padded = ByteBuffer.allocate(bytes.length + 9).position(4).put(bytes).position(4)
                .limit(4 + bytes.length);
        ByteBuffer direct = HandMade.direct(bytes);
        check(Checkpoint.open(path));
        check(Checkpoint.open(ByteBuffer.wrap(bytes)));
        check(Checkpoint.open(ByteBuffer.wrap(bytes).asReadOnlyBuffer()));
        check(Checkpoint.open(padded));
        assertEquals(4, padded.position());
        check(Checkpoint.open(direct));
        check(Checkpoint.open(direct.asReadOnlyBuffer()));
        check(Checkpoint.open(new ByteArrayInputStream(bytes)));
        try (FileChannel channel = FileChannel.open(path)) {
            check(Checkpoint.open(channel));
            assertTrue(channel.isOpen());
            check(Checkpoint.open(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size())));
        }
        Path zip = folder.resolve("files.zip");
        try (FileSystem files = FileSystems.newFileSystem(zip, Map.of("create", "true"))) {
            Files.copy(path, files.getPath("/inside.pt"));
            check(Checkpoint.open(files.getPath("/inside.pt")));
        }
    }

    private static void check(Checkpoint opened) throws IOException {
        try (opened) {
            TensorInfo a = opened.tensors().get(0);
            assertEquals(GOLDEN_SHA, opened.digest(a, "SHA-256"), opened.name());
            ByteBuffer bytes = opened.bytes(a);
            assertTrue(bytes.isReadOnly() && bytes.isDirect());
            assertEquals(2f, bytes.getFloat(8));
        }
    }

    @Test
    void longStreamsGoThroughATemporaryFileThatIsGone() throws IOException {
        Path folder = Path.of(System.getProperty("java.io.tmpdir"));
        long before = temporaries(folder);
        float[] many = new float[5 << 20];
        many[many.length - 1] = 9;
        InputStream stream = new SequenceInputStream(
                new ByteArrayInputStream(HandMade.floats("cpu", Map.of("many", many)).zip()),
                InputStream.nullInputStream());
        try (Checkpoint file = Checkpoint.open(stream)) {
            assertEquals(before, temporaries(folder));
            assertEquals("<InputStream>", file.name());
            TensorInfo tensor = file.tensors().get(0);
            assertEquals(9f, file.bytes(tensor).getFloat(4 * (many.length - 1)));
        }
    }

    private static long temporaries(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().matches("torchferry-.*\\.tmp")).count();
        }
    }

    @Test
    void aDirectBufferIsKeptReachableByWhatWasReadFromIt() throws Exception {
        ByteBuffer bytes;
        try (Checkpoint file = Checkpoint.open(HandMade.direct(Files.readAllBytes(Fixtures.file("golden_zip.pt"))))) {
            bytes = file.bytes(file.tensors().get(0));
        }
        for (int i = 0; i < 5; i++) {
            System.gc();
            ByteBuffer.allocateDirect(1577).put(new byte[1577]);
            Thread.sleep(20);
        }
        assertEquals(1f, bytes.getFloat(4));
    }

    @Test
    void bytesAreOnTheFileAndOutliveTheCheckpoint() throws IOException {
        ByteBuffer bytes;
        try (Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
            TensorInfo a = file.tensors().get(0);
            bytes = file.bytes(a);
            assertEquals(ByteOrder.LITTLE_ENDIAN, bytes.order());
            assertEquals(2f, file.bytes(a, 8, 4).getFloat());
            assertEquals(0, file.bytes(a, 12, 0).remaining());
            assertThrows(IndexOutOfBoundsException.class, () -> file.bytes(a, 8, 8));
            assertThrows(IndexOutOfBoundsException.class, () -> file.bytes(a, Long.MAX_VALUE, 8));
            assertThrows(IndexOutOfBoundsException.class, () -> file.bytes(a, -1, 4));
        }
        assertEquals(12, bytes.remaining());
        assertEquals(1f, bytes.getFloat(4));
    }

    @Test
    void tensorsBeyondTwoGibibytesAreReadInParts(@TempDir Path folder) throws IOException {
        Path path = folder.resolve("big.pt");
        long size = (5L << 30) + 3;
        HandMade.writeSparse(path, size, new byte[] {7, 8, 9});
        try (Checkpoint file = Checkpoint.open(path)) {
            TensorInfo big = file.tensors().get(0);
            assertEquals(size, big.nbytes());
            assertArrayEquals(new long[] {size}, big.shape());
            IllegalArgumentException refused = assertThrows(IllegalArgumentException.class, () -> file.bytes(big));
            assertTrue(refused.getMessage().contains("bytes(tensor, offset, length)"), refused.getMessage());
            ByteBuffer end = file.bytes(big, size - 4, 4);
            assertArrayEquals(new byte[] {0, 7, 8, 9}, new byte[] {end.get(), end.get(), end.get(), end.get()});
            ByteBuffer read = ByteBuffer.allocate(2);
            file.readElements(big, size - 2, read);
            assertArrayEquals(new byte[] {8, 9}, read.array());
            assertEquals(Integer.MAX_VALUE, file.bytes(big, size - Integer.MAX_VALUE, Integer.MAX_VALUE).remaining());
        }
    }

    @Test
    void readsElementsOfViewsInRowMajorOrder() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("views.pt"))) {
            for (TensorInfo tensor : file.tensors()) {
                ByteBuffer heap = ByteBuffer.allocate(Math.toIntExact(tensor.numel()) * tensor.dtype().itemsize());
                ByteBuffer direct = ByteBuffer.allocateDirect(heap.capacity());
                file.readElements(tensor, 0, heap);
                file.readElements(tensor, 0, direct);
                assertFalse(heap.hasRemaining() || direct.hasRemaining());
                assertEquals(heap.flip(), direct.flip(), tensor.key());
                if (tensor.isPlainRange()) {
                    assertEquals(heap, file.bytes(tensor), tensor.key());
                }
                if (tensor.numel() > 1) {
                    ByteBuffer last = ByteBuffer.allocate(tensor.dtype().itemsize());
                    file.readElements(tensor, tensor.numel() - 1, last);
                    assertEquals(heap.slice(heap.limit() - last.capacity(), last.capacity()), last.flip());
                }
            }
        }
    }

    @Test
    void transposedElementsComeInRowMajorOrder() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("views.pt"))) {
            TensorInfo view = find(file, "transposed");
            assertFalse(view.isContiguous());
            assertThrows(UnsupportedCheckpointException.class, () -> file.bytes(view));
            assertTrue(view.sharesStorageWith(find(file, "base")));
            assertEquals(view.storageIndex(), find(file, "base").storageIndex());
        }
    }

    @Test
    void readingBeyondTheElementsIsRefused() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
            TensorInfo a = file.tensors().get(0);
            assertThrows(IndexOutOfBoundsException.class, () -> file.readElements(a, 0, ByteBuffer.allocate(16)));
            assertThrows(IndexOutOfBoundsException.class, () -> file.readElements(a, 3, ByteBuffer.allocate(4)));
            assertThrows(IndexOutOfBoundsException.class, () -> file.readElements(a, -1, ByteBuffer.allocate(4)));
            assertThrows(IllegalArgumentException.class, () -> file.readElements(a, 0, ByteBuffer.allocate(5)));
            assertThrows(java.nio.ReadOnlyBufferException.class,
                    () -> file.readElements(a, 0, ByteBuffer.allocateDirect(4).asReadOnlyBuffer()));
        }
    }

    @Test
    void digestsHaveHexFormAndKnowTheirAlgorithms() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
            TensorInfo a = file.tensors().get(0);
            assertEquals(32, file.digest(a, "MD5").length());
            assertThrows(IllegalArgumentException.class, () -> file.digest(a, "no such digest"));
        }
    }

    @Test
    void pathsLeadIntoTheContent() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("training.pt"))) {
            List<String> model = file.tensors("model").stream().map(TensorInfo::key).toList();
            assertEquals("0.weight", model.get(0));
            assertEquals("model.0.weight", file.tensors().get(0).key());
            assertEquals(file.tensors().get(0).storageIndex(), file.tensors("model").get(0).storageIndex());
            assertNotEquals(file.tensors().get(0), file.tensors("model").get(0));
            assertEquals(file.tensors().get(0), file.tensors().get(0));
            IllegalArgumentException missing =
                    assertThrows(IllegalArgumentException.class, () -> file.tensors("modell"));
            assertTrue(missing.getMessage().contains("model"), missing.getMessage());
            assertThrows(IllegalArgumentException.class, () -> file.value("model", "nowhere"));
            assertEquals("", file.tensors("model", "0.weight").get(0).key());
            assertTrue(file.metadata("model").isPresent());
            assertEquals(Optional.empty(), file.metadata());
        }
    }

    @Test
    void quantizedTensorsTellHowTheyAreToBeRead() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("quantized.pt"))) {
            Quantization affine = find(file, "qint8").quantization().orElseThrow();
            assertEquals(Quantization.Scheme.PER_TENSOR_AFFINE, affine.scheme());
            assertTrue(affine.scale() > 0);
            TensorInfo channels = find(file, "channel_qint8");
            assertEquals("per_channel_affine", channels.quantization().orElseThrow().scheme().toString());
            assertEquals(2, channels.parts().size());
            assertEquals(DType.FLOAT64, channels.parts().get(0).dtype());
        }
    }

    @Test
    void sparseTensorsHavePartsAndNoElementsOfTheirOwn() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("sparse.pt"))) {
            TensorInfo coo = find(file, "coo");
            assertEquals(Layout.SPARSE_COO, coo.layout());
            assertEquals(-1, coo.storageIndex());
            assertEquals("", coo.storageKey());
            assertEquals(OptionalLong.empty(), coo.fileOffset());
            assertEquals(2, coo.parts().size());
            assertEquals(DType.INT64, coo.parts().get(0).dtype());
            assertThrows(UnsupportedCheckpointException.class, () -> file.digest(coo, "SHA-256"));
            assertEquals(64, file.digest(coo.parts().get(1), "SHA-256").length());
        }
    }

    @Test
    void lazyBitsAreResolved() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("lazy_bits.pt"))) {
            TensorInfo z = find(file, "z");
            TensorInfo conj = find(file, "conj");
            assertTrue(conj.isConj() && !z.isConj());
            ByteBuffer plain = ByteBuffer.allocate((int) z.nbytes()).order(ByteOrder.LITTLE_ENDIAN);
            ByteBuffer resolved = ByteBuffer.allocate((int) conj.nbytes()).order(ByteOrder.LITTLE_ENDIAN);
            file.readElements(z, 0, plain);
            file.readElements(conj, 0, resolved);
            assertEquals(plain.getFloat(0), resolved.getFloat(0));
            assertEquals(-plain.getFloat(4), resolved.getFloat(4));
        }
    }

    @Test
    void attributesOfTensorsAreTold() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("attributes.pt"))) {
            assertTrue(find(file, "parameter").isParameter() && find(file, "parameter").requiresGrad());
            assertTrue(find(file, "frozen").isParameter() && !find(file, "frozen").requiresGrad());
            assertTrue(find(file, "buffer").isBuffer());
            assertFalse(find(file, "plain").isParameter());
        }
    }

    @Test
    void factsStayAfterCloseAndTheRestIsRefused() throws IOException {
        Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"));
        TensorInfo a = file.tensors().get(0);
        Value root = file.root();
        file.close();
        file.close();
        assertEquals(1577, file.size());
        assertEquals("a: float32 [3] at cpu", a.toString());
        assertEquals(a, root.get("a").asTensor());
        assertThrows(IllegalStateException.class, file::tensors);
        assertThrows(IllegalStateException.class, file::root);
        assertThrows(IllegalStateException.class, () -> file.bytes(a));
        assertThrows(IllegalStateException.class, () -> file.digest(a, "SHA-256"));
        assertThrows(IllegalStateException.class, () -> file.plan(LoadOptions.defaults()));
        assertThrows(IllegalStateException.class, () -> file.stateDict());
    }

    @Test
    void tensorsOfAnotherCheckpointAreRefused() throws IOException {
        try (Checkpoint one = Checkpoint.open(Fixtures.file("golden_zip.pt"));
                Checkpoint other = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
            TensorInfo stranger = other.tensors().get(0);
            assertThrows(IllegalArgumentException.class, () -> one.bytes(stranger));
            assertFalse(one.tensors().get(0).sharesStorageWith(stranger));
        }
    }

    @Test
    void theListOfTensorsIsAList() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("training.pt"))) {
            List<TensorInfo> tensors = file.tensors();
            assertThrows(IndexOutOfBoundsException.class, () -> tensors.get(tensors.size()));
            assertThrows(IndexOutOfBoundsException.class, () -> tensors.get(-1));
            assertThrows(UnsupportedOperationException.class, () -> tensors.remove(0));
            assertEquals(tensors.size(), tensors.stream().map(TensorInfo::key).distinct().count());
        }
    }

    @Test
    void theDemoFileTellsWhereItWasSaved() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.demo("model_gpu.pth"))) {
            assertTrue(file.savedLocations().contains("cuda:0"), file.savedLocations().toString());
            assertEquals(3, file.root().get("epoch").asLong());
        }
    }

    static TensorInfo find(Checkpoint file, String key) {
        return file.tensors().stream().filter(tensor -> tensor.key().equals(key)).findFirst().orElseThrow(
                () -> new AssertionError(key + " is not among " + Arrays.toString(
                        file.tensors().stream().map(TensorInfo::key).toArray())));
    }
}
