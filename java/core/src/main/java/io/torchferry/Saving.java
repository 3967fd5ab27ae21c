package io.torchferry;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One saving of content as the native side takes it. */
final class Saving {
    private final ContentPacking content;
    private final SaveOptions options;

    Saving(ContentPacking content, SaveOptions options) {
        this.content = content;
        this.options = options;
    }

    SaveReport to(Path path) throws IOException {
        NativeLoader.torch();
        Object event = Flight.saving();
        try {
            boolean here = path.getFileSystem() == FileSystems.getDefault();
            SaveReport report = here ? write(path) : writeAndMove(path);
            Flight.saved(event, path, content.tensors(), null);
            return report;
        } catch (IOException | RuntimeException | Error e) {
            Flight.saved(event, path, content.tensors(), e);
            throw e;
        }
    }

    private SaveReport write(Path path) throws IOException {
        byte[] name = PathBytes.of(path);
        byte[] packed = options.packed();
        Progress progress = options.progress().orElse(null);
        ProgressListener listener = options.progressListener().orElse(null);
        if (progress == null && listener == null) {
            return save(path, name, packed, 0);
        }
        Progress followed = progress == null ? new Progress() : progress;
        long handle = followed.begin();
        try (ProgressPoll poll = ProgressPoll.start(followed, listener)) {
            SaveReport report = save(path, name, packed, handle);
            poll.finished();
            return report;
        } finally {
            followed.end();
        }
    }

    private SaveReport save(Path path, byte[] name, byte[] packed, long progress) throws IOException {
        byte[] report = content.use((nodes, dicts, checkpoints) ->
                TorchNative.save(nodes, dicts, checkpoints, name, packed, progress));
        PackReader in = new PackReader(report);
        long bytes = in.i64();
        List<Path> files = new ArrayList<>();
        for (int n = in.i32(); n > 0; n--) {
            String file = in.string();
            files.add(file.isEmpty() ? path : path.resolveSibling(file));
        }
        Map<String, String> repeated = new LinkedHashMap<>();
        for (int n = in.i32(); n > 0; n--) {
            repeated.put(in.string(), in.string());
        }
        return new SaveReport(files, bytes, repeated);
    }

    /** Native code writes files of the operating system; another file system gets copies, as atomically as it can. */
    private SaveReport writeAndMove(Path path) throws IOException {
        Path folder = Files.createTempDirectory("torchferry-");
        List<Path> local = List.of();
        List<Path> whole = new ArrayList<>();
        try {
            SaveReport report = write(folder.resolve(path.getFileName().toString()));
            local = report.files();
            List<Path> files = new ArrayList<>();
            for (Path file : local) {
                files.add(path.resolveSibling(file.getFileName().toString()));
                whole.add(path.resolveSibling("." + file.getFileName() + ".saving"));
                Files.copy(file, whole.get(whole.size() - 1), StandardCopyOption.REPLACE_EXISTING);
            }
            for (int i = 0; i < files.size(); i++) {
                move(whole.get(i), files.get(i));
            }
            return new SaveReport(files, report.bytes(), report.repeated());
        } finally {
            for (Path file : whole) {
                Files.deleteIfExists(file);
            }
            for (Path file : local) {
                Files.deleteIfExists(file);
            }
            Files.deleteIfExists(folder);
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
