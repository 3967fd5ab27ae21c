package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Bytes as the native side takes them: a file's path or direct memory. What is neither is copied once, outside the Java
 * heap: into memory where it is short, else into a temporary file without a name. Short-lived: what the native side
 * opened keeps its bytes after {@link #use}.
 */
final class Source {
    /** Bytes of known number that are held in memory rather than in a file. */
    private static final int MOST_IN_MEMORY = 16 << 20;
    /** What is read of a stream of unknown length before it goes to a file. */
    private static final int HEAD = 1 << 20;

    /** Work with a source. */
    @FunctionalInterface
    interface Use<R> {
        R with(Source source) throws IOException;
    }

    private final String name;
    private final byte[] path;
    private final ByteBuffer memory;
    private final Spool spool;

    private Source(String name, byte[] path, ByteBuffer memory, Spool spool) {
        this.name = name;
        this.path = path;
        this.memory = memory;
        this.spool = spool;
    }

    private static Source inMemory(String name, ByteBuffer memory) {
        return new Source(name, null, memory, null);
    }

    static Source of(Path path, Limits limits) throws IOException {
        if (path.getFileSystem() == FileSystems.getDefault()) {
            return new Source(path.toString(), PathBytes.of(path), null, null);
        }
        try (SeekableByteChannel channel = Files.newByteChannel(path)) {
            return spooled(channel, channel.size(), path.toString(), limits);
        } catch (FileSystemException e) {
            throw refused(path, e);
        } catch (UnsupportedOperationException e) {
            try (InputStream stream = Files.newInputStream(path)) {
                return spooled(Channels.newChannel(stream), -1, path.toString(), limits);
            }
        }
    }

    /** In the words that a file of the default file system would get. */
    private static CheckpointException refused(Path path, FileSystemException cause) {
        String reason = cause instanceof NoSuchFileException
                ? "there is no such file in its file system; check the path"
                : "cannot be read: " + (cause.getReason() == null ? cause.getClass().getSimpleName()
                        : cause.getReason());
        CheckpointException refused = new CheckpointException(path + ": " + reason, path.toString(), "", -1);
        refused.initCause(cause);
        return refused;
    }

    static Source of(ByteBuffer bytes) {
        ByteBuffer memory = bytes.slice();
        if (!bytes.isDirect()) {
            memory = ByteBuffer.allocateDirect(bytes.remaining()).put(memory).flip();
        }
        return new Source("<ByteBuffer>", null, memory, null);
    }

    static Source of(byte[] bytes) {
        return inMemory("<byte[]>", ByteBuffer.allocateDirect(bytes.length).put(bytes).flip());
    }

    static Source of(InputStream stream, Limits limits) throws IOException {
        return spooled(Channels.newChannel(stream), -1, "<InputStream>", limits);
    }

    static Source of(SeekableByteChannel channel, Limits limits) throws IOException {
        return spooled(channel, Math.max(0, channel.size() - channel.position()), "<channel>", limits);
    }

    /** A resource that is a file is that file; one inside a jar is read once. */
    static Source ofResource(Class<?> anchor, String resource, Limits limits) throws IOException {
        URL url = anchor.getResource(resource);
        if (url == null) {
            throw new CheckpointException(resource + ": there is no such resource; a name without a slash in front is "
                    + "relative to the package " + anchor.getPackageName(), resource, "", -1);
        }
        if (url.getProtocol().equals("file")) {
            try {
                return new Source(resource, PathBytes.of(Path.of(url.toURI())), null, null);
            } catch (URISyntaxException | IllegalArgumentException e) {
                // Not a path after all: read like any other.
            }
        }
        try (InputStream stream = url.openStream()) {
            return spooled(Channels.newChannel(stream), -1, resource, limits);
        }
    }

    /**
     * Takes all bytes that the channel gives.
     *
     * @param expected how many there should be, or -1
     */
    private static Source spooled(ReadableByteChannel channel, long expected, String name, Limits limits)
            throws IOException {
        long most = limits.spoolBytes();
        requireWithin(expected, most, name);
        int head = (int) Math.min(most, expected < 0 || expected > MOST_IN_MEMORY ? HEAD : expected);
        ByteBuffer buffer = ByteBuffer.allocateDirect(Math.max(head, 1));
        if (!fill(channel, buffer) || expected == buffer.position() && isAtEnd(channel)) {
            return inMemory(name, buffer.flip().slice());
        }
        Spool spool = Spool.create();
        try {
            long total = 0;
            do {
                total += buffer.flip().remaining();
                requireWithin(total, most, name);
                spool.write(buffer);
            } while (fill(channel, buffer.clear()) || buffer.position() > 0);
            return new Source(name, spool.path(), null, spool);
        } catch (IOException | RuntimeException | Error e) {
            spool.close();
            throw e;
        }
    }

    private static void requireWithin(long bytes, long most, String name) throws IOException {
        if (bytes > most) {
            throw new LimitExceededException(name + ": it is too long to be copied, as a stream, a channel or a file of"
                    + " another file system is: over the limit spool_bytes = " + most + ". If there is room for more,"
                    + " raise it: Limits.withSpoolBytes in Java, --limit spool_bytes=N on the command line",
                    name, "", -1);
        }
    }

    /** Whether the buffer is full, and not the channel at its end. */
    private static boolean fill(ReadableByteChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                return false;
            }
        }
        return true;
    }

    private static boolean isAtEnd(ReadableByteChannel channel) throws IOException {
        return channel instanceof SeekableByteChannel file && file.position() >= file.size();
    }

    /** Does work with the source, then gives back what it needed for that. */
    <R> R use(Use<R> work) throws IOException {
        try {
            return work.with(this);
        } finally {
            if (spool != null) {
                spool.close();
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
