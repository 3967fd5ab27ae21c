package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Optional;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;

/**
 * A native library among the resources of the class path or the module path. Native libraries lie in no package, so
 * they are found in modules, too.
 *
 * @param name of the file
 * @param url of the resource
 * @param size in bytes
 * @param crc CRC-32 of the content in hexadecimal digits, as a jar's directory has it; "file" for one that is a file
 */
record PackagedLibrary(String name, URL url, long size, String crc) {

    /** The resource; empty when there is none. Of a file in a jar only the jar's directory is read. */
    static Optional<PackagedLibrary> find(String resource) throws IOException {
        URL url = url(resource);
        if (url == null) {
            return Optional.empty();
        }
        Optional<Path> file = file(url);
        return Optional.of(file.isEmpty() ? packed(url)
                : new PackagedLibrary(name(url), url, Files.size(file.get()), "file"));
    }

    /** Where the resource is; null when there is none. */
    static URL url(String resource) {
        ClassLoader loader = PackagedLibrary.class.getClassLoader();
        return loader == null ? ClassLoader.getSystemResource(resource) : loader.getResource(resource);
    }

    private static String name(URL url) {
        return url.getPath().substring(url.getPath().lastIndexOf('/') + 1);
    }

    /** A resource that is not a file. */
    static PackagedLibrary packed(URL url) throws IOException {
        String name = name(url);
        URLConnection connection = url.openConnection();
        connection.setUseCaches(false);
        if (connection instanceof JarURLConnection inJar) {
            try (JarFile jar = inJar.getJarFile()) {
                JarEntry entry = inJar.getJarEntry();
                if (entry.getCrc() >= 0 && entry.getSize() >= 0) {
                    return new PackagedLibrary(name, url, entry.getSize(), HexFormat.of().toHexDigits(entry.getCrc(), 8));
                }
            }
        }
        CRC32 sum = new CRC32();
        try (CheckedInputStream in = new CheckedInputStream(url.openStream(), sum)) {
            long size = in.transferTo(OutputStream.nullOutputStream());
            return new PackagedLibrary(name, url, size, HexFormat.of().toHexDigits(sum.getValue(), 8));
        }
    }

    /** The file that the resource is; empty when it is inside of another. */
    Optional<Path> file() throws IOException {
        return file(url);
    }

    private static Optional<Path> file(URL url) throws IOException {
        if (!url.getProtocol().equals("file")) {
            return Optional.empty();
        }
        try {
            return Optional.of(Path.of(url.toURI()));
        } catch (URISyntaxException e) {
            throw new IOException("not a path: " + url, e);
        }
    }

    InputStream open() throws IOException {
        URLConnection connection = url.openConnection();
        connection.setUseCaches(false);
        return connection.getInputStream();
    }
}
