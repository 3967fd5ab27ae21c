package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;

/**
 * Where native libraries from jars lie as files: a folder for each set of them, named by the checksums of their
 * contents, so that versions never meet. A folder appears by a rename when it is complete; processes that want the
 * same one wait for each other. On every start sizes and times are compared: a file that was written to since is
 * unpacked again.
 *
 * @param folder the cache, or a folder of this process alone
 * @param temporary whether the files are deleted as soon as they are loaded
 */
record LibraryCache(Path folder, boolean temporary) {
    static final String PROPERTY = "torchferry.cache";
    /** What every unpacked file is given, so that any later write shows. */
    private static final FileTime UNPACKED = FileTime.from(1_000_000_000L, TimeUnit.SECONDS);

    /** The property's folder, the user's cache, or a temporary folder where neither can be written to. */
    static LibraryCache choose() throws IOException {
        String chosen = System.getProperty(PROPERTY);
        if (chosen != null) {
            return new LibraryCache(Path.of(chosen).toAbsolutePath(), false);
        }
        String xdg = System.getenv("XDG_CACHE_HOME");
        String home = System.getProperty("user.home", "?");
        Path cache = xdg != null && Path.of(xdg).isAbsolute() ? Path.of(xdg) : Path.of(home, ".cache");
        Path folder = cache.resolve("torchferry").resolve("natives");
        try {
            if (cache.isAbsolute() && Files.isWritable(Files.createDirectories(folder))) {
                return new LibraryCache(folder, false);
            }
        } catch (IOException e) {
            System.getLogger("io.torchferry").log(System.Logger.Level.DEBUG, "no cache in " + folder, e);
        }
        return new LibraryCache(Files.createTempDirectory("torchferry-natives-"), true);
    }

    /** These libraries as files: those in jars unpacked, unless they are already, the others where they are. */
    List<Path> files(List<PackagedLibrary> libraries) throws IOException {
        List<PackagedLibrary> packed = new ArrayList<>();
        List<Path> files = new ArrayList<>();
        for (PackagedLibrary library : libraries) {
            if (library.file().isEmpty()) {
                packed.add(library);
            }
        }
        Path unpacked = packed.isEmpty() ? null : unpacked(packed);
        for (PackagedLibrary library : libraries) {
            files.add(library.file().orElseGet(() -> unpacked.resolve(library.name())));
        }
        return files;
    }

    private Path unpacked(List<PackagedLibrary> files) throws IOException {
        String key = files.stream().map(PackagedLibrary::crc).collect(Collectors.joining("-"));
        Path target = folder.resolve(key);
        if (isComplete(target, files)) {
            return target;
        }
        try {
            Files.createDirectories(folder);
            unpackAlone(files, target);
        } catch (IOException e) {
            throw new IOException(files.get(0).name() + " cannot be unpacked to " + target + ": " + e
                    + "; name another folder with -D" + PROPERTY + "=FOLDER", e);
        }
        return target;
    }

    /** One after the other, those who want the same: whoever waited finds it done. */
    private void unpackAlone(List<PackagedLibrary> files, Path target) throws IOException {
        Path lock = folder.resolve(target.getFileName() + ".lock");
        try (FileChannel channel = FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = waitFor(channel)) {
            if (!isComplete(target, files)) {
                removeLeftovers(target.getFileName().toString());
                unpack(files, target);
            }
        }
    }

    /** Another process's lock is waited for by the channel; one of another class loader of this process is not. */
    private static FileLock waitFor(FileChannel channel) throws IOException {
        while (true) {
            try {
                return channel.lock();
            } catch (OverlappingFileLockException held) {
                try {
                    Thread.sleep(20);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    throw new IOException("interrupted while another class loader unpacks the same", e);
                }
            }
        }
    }

    private static boolean isComplete(Path target, List<PackagedLibrary> files) {
        for (PackagedLibrary file : files) {
            Path path = target.resolve(file.name());
            try {
                if (Files.size(path) != file.size() || !Files.getLastModifiedTime(path).equals(UNPACKED)) {
                    return false;
                }
            } catch (IOException e) {
                // Not there, or not to be looked at: either way it is unpacked, which tells what is wrong.
                return false;
            }
        }
        return true;
    }

    private void unpack(List<PackagedLibrary> files, Path target) throws IOException {
        long bytes = files.stream().mapToLong(PackagedLibrary::size).sum();
        System.getLogger("io.torchferry").log(bytes > 50_000_000 ? System.Logger.Level.INFO
                : System.Logger.Level.DEBUG, "unpacking {0} MB of native libraries, once, to {1}",
                bytes / 1_000_000, target);
        // Not createTempDirectory: other users of a shared cache could not read what it makes.
        Path part = Files.createDirectory(folder.resolve(
                target.getFileName() + ".part-" + ProcessHandle.current().pid() + "-" + System.nanoTime()));
        try {
            for (PackagedLibrary file : files) {
                copy(file, part.resolve(file.name()));
            }
            if (Files.exists(target)) {
                delete(target);
            }
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            if (Files.exists(part)) {
                delete(part);
            }
        }
    }

    private static void copy(PackagedLibrary file, Path to) throws IOException {
        CRC32 sum = new CRC32();
        try (InputStream in = new CheckedInputStream(file.open(), sum); OutputStream out = Files.newOutputStream(to)) {
            byte[] buffer = new byte[1 << 16];
            for (int read = in.read(buffer); read > 0; read = in.read(buffer)) {
                out.write(buffer, 0, read);
            }
        }
        if (Files.size(to) != file.size() || !HexFormat.of().toHexDigits(sum.getValue(), 8).equals(file.crc())) {
            throw new IOException("the jar is damaged: " + file.url() + " is not what the jar's directory says");
        }
        Files.setLastModifiedTime(to, UNPACKED);
    }

    /** What processes left that were ended while they unpacked; the lock is held, so nobody works on it now. */
    private void removeLeftovers(String key) throws IOException {
        try (DirectoryStream<Path> parts = Files.newDirectoryStream(folder, key + ".part-*")) {
            for (Path part : parts) {
                delete(part);
            }
        }
    }

    /** Tells that everything that {@link #files} gave was loaded, or will not be. */
    void done() {
        if (!temporary) {
            return;
        }
        try {
            delete(folder);
        } catch (IOException e) {
            System.getLogger("io.torchferry").log(System.Logger.Level.DEBUG, "left in " + folder, e);
        }
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
