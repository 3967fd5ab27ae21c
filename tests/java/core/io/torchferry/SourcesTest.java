package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where a checkpoint's bytes may come from, and that nothing of it is left behind. */
class SourcesTest {
    /** More than what is held in memory of a stream (1 MiB), and of bytes of known number (16 MiB). */
    private static final int LARGE = 20 << 20;

    @TempDir
    Path folder;

    /** A file of one large tensor of bytes that count. */
    private Path large() throws IOException {
        Path path = folder.resolve("large.pt");
        byte[] bytes = new byte[LARGE];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i % 251);
        }
        try (Tensor tensor = Tensor.of(bytes, LARGE); StateDict dict = StateDict.of(Map.of("large", tensor))) {
            dict.save(path);
        }
        return path;
    }

    private static void checkLarge(Checkpoint opened) throws IOException {
        StateDict loaded;
        try (Checkpoint checkpoint = opened) {
            TensorInfo info = checkpoint.tensors().get(0);
            assertEquals((byte) (123_456 % 251), checkpoint.bytes(info, 123_456, 1).get());
            assertTrue(checkpoint.verify().isSound());
            loaded = checkpoint.stateDict();
        }
        try (loaded) {
            ByteBuffer bytes = loaded.get("large").asByteBuffer();
            assertEquals((byte) ((LARGE - 1) % 251), bytes.get(LARGE - 1), "valid after the checkpoint is closed");
        }
    }

    /** A stream that gives a few bytes at a time, as sockets do. */
    private static InputStream dripping(byte[] bytes) {
        return new ByteArrayInputStream(bytes) {
            @Override
            public synchronized int read(byte[] into, int offset, int length) {
                return super.read(into, offset, Math.min(length, 4099));
            }
        };
    }

    /** Open files that this test made: those without a name, and those in its folder. The JVM opens others. */
    private long descriptors() throws IOException {
        long count = 0;
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            for (Path descriptor : open.toList()) {
                try {
                    String target = Files.readSymbolicLink(descriptor).toString();
                    count += target.endsWith("(deleted)") || target.startsWith(folder.toString()) ? 1 : 0;
                } catch (java.nio.file.NoSuchFileException closed) {
                    // The one that listed the folder.
                }
            }
        }
        return count;
    }

    private static Object[] temporaryFiles() throws IOException {
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            return files.map(Path::getFileName).filter(name -> name.toString().startsWith("torchferry-"))
                    .filter(name -> name.toString().endsWith(".tmp")).sorted().toArray();
        }
    }

    @Test
    void largeOnesGoThroughAFileWithoutAName() throws IOException {
        Path path = large();
        byte[] bytes = Files.readAllBytes(path);
        Checkpoint.open(path).close();
        Object[] before = temporaryFiles();
        long descriptors = descriptors();
        checkLarge(Checkpoint.open(dripping(bytes)));
        try (InputStream stream = Files.newInputStream(path)) {
            checkLarge(Checkpoint.open(stream));
            assertEquals(-1, stream.read());
        }
        try (FileChannel channel = FileChannel.open(path)) {
            checkLarge(Checkpoint.open(channel));
            assertEquals(bytes.length, channel.position());
        }
        checkLarge(Checkpoint.open(bytes));
        checkLarge(Checkpoint.open(ByteBuffer.wrap(bytes)));
        assertArrayEquals(before, temporaryFiles());
        assertEquals(descriptors, descriptors());
    }

    @Test
    void nothingIsLeftWhenOpeningFails() throws IOException {
        byte[] noCheckpoint = new byte[LARGE];
        assertThrows(CorruptCheckpointException.class, () -> Checkpoint.open(new ByteArrayInputStream(new byte[0])));
        Object[] before = temporaryFiles();
        long descriptors = descriptors();
        CheckpointException refused = assertThrows(CorruptCheckpointException.class,
                () -> Checkpoint.open(dripping(noCheckpoint)));
        assertEquals("<InputStream>", refused.file());
        assertTrue(refused.getMessage().startsWith("<InputStream>: "), refused.getMessage());
        assertThrows(CorruptCheckpointException.class, () -> Checkpoint.open(noCheckpoint));
        InputStream failing = new InputStream() {
            private int left = 3 << 20;

            @Override
            public int read() throws IOException {
                if (left-- == 0) {
                    throw new IOException("the connection broke");
                }
                return 0;
            }
        };
        assertEquals("the connection broke",
                assertThrows(IOException.class, () -> Checkpoint.open(failing)).getMessage());
        assertArrayEquals(before, temporaryFiles());
        assertEquals(descriptors, descriptors());
    }

    @Test
    void errorsAfterOpeningCallTheFileAsTheCallerDid() throws IOException {
        byte[] bytes = Files.readAllBytes(Fixtures.file("flipped_payload.pt"));
        try (Checkpoint checkpoint = Checkpoint.open(new ByteArrayInputStream(bytes))) {
            LoadOptions verifying = LoadOptions.defaults().verifyChecksums(true);
            assertEquals("<InputStream>",
                    assertThrows(CorruptCheckpointException.class, () -> checkpoint.stateDict(verifying)).file());
        }
        Path path = large();
        byte[] damaged = Files.readAllBytes(path);
        damaged[damaged.length / 2] ^= 1;
        try (Checkpoint checkpoint = Checkpoint.open(dripping(damaged))) {
            LoadOptions verifying = LoadOptions.defaults().verifyChecksums(true);
            assertEquals("<InputStream>",
                    assertThrows(CorruptCheckpointException.class, () -> checkpoint.stateDict(verifying)).file());
        }
    }

    @Test
    void theCopyIsBounded() throws IOException {
        byte[] bytes = Files.readAllBytes(Fixtures.file("golden_zip.pt"));
        OpenOptions enough = OpenOptions.DEFAULT.withLimits(Limits.DEFAULT.withSpoolBytes(bytes.length));
        Checkpoint.open(new ByteArrayInputStream(bytes), enough).close();
        OpenOptions small = OpenOptions.DEFAULT.withLimits(Limits.DEFAULT.withSpoolBytes(bytes.length - 1));
        LimitExceededException refused = assertThrows(LimitExceededException.class,
                () -> Checkpoint.open(new ByteArrayInputStream(bytes), small));
        assertTrue(refused.getMessage().contains("spool_bytes = " + (bytes.length - 1)), refused.getMessage());
        InputStream endless = new InputStream() {
            @Override
            public int read() {
                return 0;
            }
        };
        OpenOptions mebibytes = OpenOptions.DEFAULT.withLimits(Limits.DEFAULT.withSpoolBytes(5 << 20));
        assertThrows(LimitExceededException.class, () -> Checkpoint.open(endless, mebibytes));
        try (SeekableByteChannel channel = Files.newByteChannel(Fixtures.file("golden_zip.pt"))) {
            assertThrows(LimitExceededException.class, () -> Checkpoint.open(channel, small));
            assertEquals(0, channel.position(), "nothing was read");
        }
        Checkpoint.open(Fixtures.file("golden_zip.pt"), small).close();
    }

    @Test
    void pathsOfOtherFileSystems() throws IOException {
        Path path = large();
        Path archive = folder.resolve("models.zip");
        try (FileSystem zip = FileSystems.newFileSystem(archive, Map.of("create", "true"))) {
            Files.copy(path, zip.getPath("/large.pt"));
            Files.copy(Fixtures.file("golden_zip.pt"), zip.getPath("/small.pt"));
        }
        try (FileSystem zip = FileSystems.newFileSystem(archive)) {
            checkLarge(Checkpoint.open(zip.getPath("/large.pt")));
            try (Checkpoint small = Checkpoint.open(zip.getPath("/small.pt"))) {
                assertEquals("/small.pt", small.name());
                assertEquals("a", small.tensors().get(0).key());
            }
            CheckpointException missing = assertThrows(CheckpointException.class,
                    () -> Checkpoint.open(zip.getPath("/missing.pt")));
            assertEquals("/missing.pt", missing.file());
            assertTrue(missing.getMessage().contains("there is no such file"), missing.getMessage());
        }
    }

    @Test
    void resources() throws Exception {
        try (Checkpoint file = Checkpoint.openResource(SourcesTest.class, "/fixtures/golden_zip.pt")) {
            assertEquals("/fixtures/golden_zip.pt", file.name());
            assertEquals(1577, file.size());
        }
        CheckpointException missing = assertThrows(CheckpointException.class,
                () -> Checkpoint.openResource(SourcesTest.class, "missing.pt"));
        assertTrue(missing.getMessage().contains("io.torchferry"), missing.getMessage());
        Path jar = folder.resolve("net.jar");
        String type = "io/torchferry/SourcesTest.class";
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar));
                InputStream code = SourcesTest.class.getResourceAsStream("SourcesTest.class")) {
            out.putNextEntry(new JarEntry(type));
            code.transferTo(out);
            out.putNextEntry(new JarEntry("io/torchferry/net.pt"));
            Files.copy(Fixtures.file("golden_zip.pt"), out);
        }
        try (java.net.URLClassLoader loader = new java.net.URLClassLoader(
                new java.net.URL[] {jar.toUri().toURL()}, null)) {
            Class<?> anchor = new ClassLoader(loader) {
                @Override
                protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
                    return name.startsWith("io.torchferry.SourcesTest") ? loader.loadClass(name)
                            : SourcesTest.class.getClassLoader().loadClass(name);
                }
            }.loadClass("io.torchferry.SourcesTest");
            try (Checkpoint net = Checkpoint.openResource(anchor, "net.pt")) {
                assertEquals("a", net.tensors().get(0).key());
            }
        }
    }

    @Test
    void aDirectBufferIsKeptReachableAndThenNotAnyMore() throws Exception {
        byte[] bytes = Files.readAllBytes(Fixtures.file("golden_zip.pt"));
        ByteBuffer direct = HandMade.direct(bytes);
        WeakReference<ByteBuffer> watched = new WeakReference<>(direct);
        Checkpoint checkpoint = Checkpoint.open(direct.asReadOnlyBuffer());
        direct = null;
        System.gc();
        assertEquals(1f, checkpoint.bytes(checkpoint.tensors().get(0)).getFloat(4));
        try (StateDict dict = checkpoint.stateDict()) {
            assertEquals(2f, dict.get("a").toFloatArray()[2]);
        }
        checkpoint.close();
        for (int i = 0; i < 50 && watched.get() != null; i++) {
            System.gc();
            Thread.sleep(20);
        }
        assertEquals(null, watched.get());
    }

    @Test
    void loadingInOneGo() throws IOException {
        byte[] bytes = Files.readAllBytes(Fixtures.file("training.pt"));
        try (StateDict stream = Checkpoint.load(new ByteArrayInputStream(bytes), LoadOptions.defaults(), "model");
                StateDict buffer = Checkpoint.load(ByteBuffer.wrap(bytes), LoadOptions.defaults(), "model");
                StateDict path = Checkpoint.load(Fixtures.file("training.pt"), LoadOptions.defaults(), "model")) {
            assertEquals(path.keySet(), stream.keySet());
            assertEquals(path.keySet(), buffer.keySet());
            for (String key : path.keySet()) {
                assertTrue(path.get(key).equalsBitwise(stream.get(key)));
                assertTrue(path.get(key).equalsBitwise(buffer.get(key)));
            }
        }
    }
}
