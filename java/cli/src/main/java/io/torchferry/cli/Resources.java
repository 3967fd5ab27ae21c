package io.torchferry.cli;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** A temporary folder with files of this jar in it, removed when closed: files that are mapped need a path. */
final class Resources implements AutoCloseable {
    private final Path folder;
    private final List<Path> files = new ArrayList<>();

    Resources() throws IOException {
        folder = Files.createTempDirectory("torchferry-");
    }

    /** Copies a resource, named relative to {@code io/torchferry/cli/}, into the folder. */
    Path file(String name) throws IOException {
        try (InputStream in = Resources.class.getResourceAsStream("/io/torchferry/cli/" + name)) {
            if (in == null) {
                throw new FileNotFoundException("this build lacks its resource io/torchferry/cli/" + name);
            }
            Path file = folder.resolve(name.substring(name.lastIndexOf('/') + 1));
            Files.copy(in, file);
            files.add(file);
            return file;
        }
    }

    /** Removes the copies. Mappings of them stay valid. */
    @Override
    public void close() {
        List<Path> all = new ArrayList<>(files);
        Collections.addAll(all, folder);
        for (Path path : all) {
            try {
                Files.deleteIfExists(path);
            } catch (IOException inUse) {
                path.toFile().deleteOnExit();
            }
        }
    }
}
