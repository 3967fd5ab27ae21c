package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/**
 * A native library among the classes. One in a folder is loaded from there; one in a jar is unpacked to a cache, under
 * the hash of its content, so that versions never meet and nothing half written is ever loaded.
 */
final class PackagedLibrary {
    static final String CACHE_PROPERTY = "torchferry.cache";

    private PackagedLibrary() {
    }

    /** Where libraries are unpacked when there is no cache to write to; they are deleted once they are loaded. */
    private static Path temporary;

    /** Tells that a library that {@link #locate} gave was loaded, or will not be. */
    static void done(Path library) throws IOException {
        if (temporary != null && library.startsWith(temporary)) {
            Files.deleteIfExists(library);
            Files.deleteIfExists(library.getParent());
            Files.deleteIfExists(temporary);
            temporary = null;
        }
    }

    static String resource(String file) {
        return "/io/torchferry/native/" + NativeLoader.platform() + "/" + file;
    }

    /** The library as a file; empty when the classes come without it. */
    static Optional<Path> locate(String file) throws IOException {
        URL url = PackagedLibrary.class.getResource(resource(file));
        if (url == null) {
            return Optional.empty();
        }
        if (url.getProtocol().equals("file")) {
            try {
                return Optional.of(Path.of(url.toURI()));
            } catch (URISyntaxException e) {
                throw new IOException("not a path: " + url, e);
            }
        }
        try (InputStream in = url.openStream()) {
            return Optional.of(unpack(in.readAllBytes(), file, cacheFolder()));
        }
    }

    /** Puts the content under its hash, unless it is there already. */
    static Path unpack(byte[] content, String file, Path cache) throws IOException {
        String hash = HexFormat.of().formatHex(digest(content), 0, 16);
        Path target = cache.resolve(hash).resolve(file);
        if (Files.exists(target) && Arrays.equals(Files.readAllBytes(target), content)) {
            return target;
        }
        Files.createDirectories(target.getParent());
        Path part = Files.createTempFile(target.getParent(), file, ".part");
        try {
            Files.write(part, content);
            move(part, target);
        } finally {
            Files.deleteIfExists(part);
        }
        return target;
    }

    private static void move(Path part, Path target) throws IOException {
        try {
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(part, target, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static byte[] digest(byte[] content) {
        java.security.MessageDigest sha = Elements.digestNamed("SHA-256");
        return sha.digest(content);
    }

    /** The property, the user's cache, or a folder of this process alone where neither can be written to. */
    private static Path cacheFolder() throws IOException {
        String chosen = System.getProperty(CACHE_PROPERTY);
        if (chosen != null) {
            return Path.of(chosen).toAbsolutePath();
        }
        String xdg = System.getenv("XDG_CACHE_HOME");
        String home = System.getProperty("user.home", "?");
        Path cache = xdg != null && Path.of(xdg).isAbsolute() ? Path.of(xdg) : Path.of(home, ".cache");
        Path folder = cache.resolve("torchferry");
        try {
            if (cache.isAbsolute() && Files.isWritable(Files.createDirectories(folder))) {
                return folder;
            }
        } catch (IOException e) {
            System.getLogger("io.torchferry").log(System.Logger.Level.DEBUG, "no cache in " + folder, e);
        }
        temporary = Files.createTempDirectory("torchferry-native-");
        return temporary;
    }
}
