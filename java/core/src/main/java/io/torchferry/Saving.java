package io.torchferry;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** One saving of a state dict as the native side takes it. */
final class Saving {
    private final TensorIndex tensors;
    private final SaveOptions options;

    Saving(TensorIndex tensors, SaveOptions options) {
        this.tensors = tensors;
        this.options = options;
    }

    void to(Path path) throws IOException {
        Object event = Flight.saving();
        try {
            if (path.getFileSystem() == FileSystems.getDefault()) {
                write(path);
            } else {
                writeAndMove(path);
            }
            Flight.saved(event, path, tensors.size(), null);
        } catch (IOException | RuntimeException | Error e) {
            Flight.saved(event, path, tensors.size(), e);
            throw e;
        }
    }

    private void write(Path path) throws IOException {
        byte[] name = PathBytes.of(path);
        byte[] packed = options.packed();
        Progress progress = options.progress().orElse(null);
        ProgressListener listener = options.progressListener().orElse(null);
        if (progress == null && listener == null) {
            save(name, packed, 0);
            return;
        }
        Progress followed = progress == null ? new Progress() : progress;
        long handle = followed.begin();
        try (ProgressPoll poll = ProgressPoll.start(followed, listener)) {
            save(name, packed, handle);
            poll.finished();
        } finally {
            followed.end();
        }
    }

    private void save(byte[] path, byte[] packed, long progress) throws IOException {
        tensors.use(dict -> {
            TorchNative.save(dict, path, packed, progress);
            return null;
        });
    }

    /** Native code writes files of the operating system; another file system gets a copy, as atomically as it can. */
    private void writeAndMove(Path path) throws IOException {
        Path local = Files.createTempFile("torchferry-", ".pt");
        try {
            write(local);
            Path whole = path.resolveSibling("." + path.getFileName() + ".saving");
            try {
                Files.copy(local, whole, StandardCopyOption.REPLACE_EXISTING);
                move(whole, path);
            } finally {
                Files.deleteIfExists(whole);
            }
        } finally {
            Files.deleteIfExists(local);
        }
    }

    private static void move(Path whole, Path path) throws IOException {
        try {
            Files.move(whole, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException | UnsupportedOperationException e) {
            Files.move(whole, path, StandardCopyOption.REPLACE_EXISTING);
        }
    }
}
