package io.torchferry;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Bytes as the native side takes them: a file's path or direct memory. Streams and channels are read once, into memory
 * while they are short, else into a temporary file that is gone after {@link #use}; what the native side opened stays
 * readable.
 */
final class Source {
    private static final int MOST_IN_MEMORY = 16 << 20;

    /** Work with a source. */
    @FunctionalInterface
    interface Use<R> {
        R with(Source source) throws IOException;
    }

    private final String name;
    private final byte[] path;
    private final ByteBuffer memory;
    private final Path temporary;

    private Source(String name, byte[] path, ByteBuffer memory, Path temporary) {
        this.name = name;
        this.path = path;
        this.memory = memory;
        this.temporary = temporary;
    }

    static Source of(Path path) throws IOException {
        if (path.getFileSystem() != FileSystems.getDefault()) {
            try (InputStream stream = Files.newInputStream(path)) {
                return spooled(stream, path.toString());
            }
        }
        return new Source(path.toString(), PathBytes.of(path), null, null);
    }

    static Source of(ByteBuffer bytes) {
        ByteBuffer memory = bytes.slice();
        if (!bytes.isDirect()) {
            memory = ByteBuffer.allocateDirect(bytes.remaining()).put(memory).flip();
        }
        return new Source("<ByteBuffer>", null, memory, null);
    }

    static Source of(InputStream stream) throws IOException {
        return spooled(stream, "<InputStream>");
    }

    static Source of(SeekableByteChannel channel) throws IOException {
        // Not closed: the channel is the caller's.
        return spooled(Channels.newInputStream(channel), "<channel>");
    }

    private static Source spooled(InputStream stream, String name) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        byte[] piece = new byte[1 << 16];
        int n = 0;
        while (head.size() < MOST_IN_MEMORY && (n = stream.read(piece)) >= 0) {
            head.write(piece, 0, n);
        }
        if (n < 0) {
            ByteBuffer memory = ByteBuffer.allocateDirect(head.size()).put(head.toByteArray()).flip();
            return new Source(name, null, memory, null);
        }
        Path file = Files.createTempFile("torchferry-", ".tmp");
        try (OutputStream out = Files.newOutputStream(file)) {
            head.writeTo(out);
            stream.transferTo(out);
        } catch (IOException | RuntimeException | Error e) {
            Files.deleteIfExists(file);
            throw e;
        }
        return new Source(name, PathBytes.of(file), null, file);
    }

    /** Does work with the source, then removes what was temporary. */
    <R> R use(Use<R> work) throws IOException {
        try {
            return work.with(this);
        } finally {
            if (temporary != null) {
                Files.deleteIfExists(temporary);
            }
        }
    }

    /** What messages call it. */
    String name() {
        return name;
    }

    /** The file's path as the operating system takes it; null for memory. */
    byte[] path() {
        return path;
    }

    byte[] requirePath() {
        if (path == null) {
            throw new IllegalArgumentException(name + " is not a file of the default file system");
        }
        return path;
    }

    /** Direct memory from position to limit; null for a file. */
    ByteBuffer memory() {
        return memory;
    }
}
