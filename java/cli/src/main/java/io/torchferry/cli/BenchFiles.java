package io.torchferry.cli;

import io.torchferry.Benchmarks;
import io.torchferry.Format;
import io.torchferry.SaveOptions;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The files that a scenario is measured with: the checkpoint itself, and the same weights in other formats for contenders
 * that read no other. What it has made is deleted when it is closed.
 */
final class BenchFiles implements AutoCloseable {
    /** Shards are so many files. */
    private static final int SHARDS = 8;

    private final Path main;
    private final Path folder;
    private final List<Path> parts = new ArrayList<>();
    private final List<Path> copies = new ArrayList<>();
    private Path safetensors;
    private Path torchScript;
    private String noTorchScript = "only made for resnet50";

    private BenchFiles(Path main, Path folder) {
        this.main = main;
        this.folder = folder;
    }

    /** A file that is there already; it is left where it is. */
    static BenchFiles of(Path file) {
        BenchFiles files = new BenchFiles(file, null);
        files.parts.add(file);
        return files;
    }

    /**
     * Makes the files of a scenario.
     *
     * @param folder where; it must not be there yet
     * @throws IOException when there is no room, or the scenario needs Python and there is none
     */
    static BenchFiles make(BenchScenario scenario, Path folder, Optional<TorchPeer> python) throws IOException {
        Files.createDirectories(folder);
        requireSpace(folder, scenario);
        BenchFiles files = new BenchFiles(folder.resolve(scenario.kind().fileName), folder);
        try {
            files.write(scenario, python);
            return files;
        } catch (IOException | RuntimeException | Error e) {
            files.close();
            throw e;
        }
    }

    /** The file of a scenario can only be made by PyTorch itself. */
    static final class NeedsPython extends IOException {
        private static final long serialVersionUID = 1L;

        NeedsPython(String message) {
            super(message);
        }
    }

    /** The checkpoint. */
    Path main() {
        return main;
    }

    /** The files that hold its bytes, the shards of an index for example. */
    List<Path> parts() {
        return parts;
    }

    /** Its bytes. */
    long size() throws IOException {
        long bytes = 0;
        for (Path part : parts) {
            bytes += Files.size(part);
        }
        return bytes;
    }

    /** The same weights in safetensors files. */
    List<Path> safetensors() throws IOException {
        if (parts.get(0).toString().endsWith(".safetensors")) {
            return parts;
        }
        if (safetensors == null) {
            throw new IOException("there is no safetensors file of the same weights");
        }
        return List.of(safetensors);
    }

    /** The same weights as a TorchScript module. */
    Path torchScript() throws IOException {
        if (torchScript == null) {
            throw new IOException("there is no TorchScript file of the same weights: " + noTorchScript);
        }
        return torchScript;
    }

    /** {@code count} files of the same content, for as many threads. */
    List<Path> copies(int count) throws IOException {
        if (copies.isEmpty()) {
            copies.add(main);
        }
        while (copies.size() < count) {
            if (folder == null) {
                copies.add(main);
            } else {
                Path copy = folder.resolve("copy-" + copies.size());
                copies.add(Files.copy(main, copy, StandardCopyOption.REPLACE_EXISTING));
            }
        }
        return copies.subList(0, count);
    }

    /** Has the system forget all that it keeps of them in memory. */
    void evict() throws IOException {
        for (Path part : parts) {
            Benchmarks.evict(part);
        }
        if (safetensors != null) {
            Benchmarks.evict(safetensors);
        }
        if (torchScript != null) {
            Benchmarks.evict(torchScript);
        }
    }

    private void write(BenchScenario scenario, Optional<TorchPeer> python) throws IOException {
        SaveOptions plain = SaveOptions.defaults().orderedDict(false);
        try (StateDict weights = weights(scenario.shapes())) {
            switch (scenario.kind()) {
                case ZIP -> {
                    weights.save(main, plain);
                    safetensors = folder.resolve("same.safetensors");
                    weights.save(safetensors, SaveOptions.defaults().format(Format.SAFETENSORS));
                }
                case SAFETENSORS -> weights.save(main, SaveOptions.defaults().format(Format.SAFETENSORS));
                case SHARDS -> weights.save(folder.resolve("weights.safetensors"), SaveOptions.defaults().format(Format.SAFETENSORS)
                        .maxShardBytes(scenario.nbytes() / SHARDS + 1));
                case LEGACY, WHOLE_MODEL -> weights.save(folder.resolve("source.pt"), plain);
                default -> throw new IllegalStateException(scenario.kind().toString());
            }
        }
        if (scenario.kind().madeByPython != null) {
            byPython(scenario.kind().madeByPython, main, folder.resolve("source.pt"), python);
            Files.delete(folder.resolve("source.pt"));
        }
        if (scenario.asTorchScript()) {
            tryTorchScript(python);
        }
        if (scenario.kind() == BenchScenario.Kind.SHARDS) {
            try (Stream<Path> all = Files.list(folder)) {
                all.filter(file -> file.toString().endsWith(".safetensors")).sorted().forEach(parts::add);
            }
        } else {
            parts.add(main);
        }
    }

    private void tryTorchScript(Optional<TorchPeer> python) {
        try {
            Path file = folder.resolve("same-torchscript.pt");
            byPython("torchscript", file, main, python);
            torchScript = file;
        } catch (IOException e) {
            noTorchScript = e.getMessage();
        }
    }

    private static void byPython(String what, Path out, Path source, Optional<TorchPeer> python) throws IOException {
        python.orElseThrow(() -> new NeedsPython("Python with PyTorch makes this file, and there is none"))
                .make(what, source, out);
    }

    private static void requireSpace(Path folder, BenchScenario scenario) throws IOException {
        long free = Files.getFileStore(folder).getUsableSpace();
        long needed = scenario.kind().filesWritten * scenario.nbytes() + 10_000_000;
        if (free < needed) {
            Files.delete(folder);
            throw new IOException(folder.getParent() + ": " + scenario.name() + " needs " + Units.bytes(needed)
                    + ", and " + Units.bytes(free) + " are free; name another folder with --dir");
        }
    }

    private static StateDict weights(Map<String, long[]> shapes) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try {
            shapes.forEach((key, shape) -> tensors.put(key, tensor(key, shape)));
            return StateDict.of(tensors);
        } finally {
            tensors.values().forEach(Tensor::close);
        }
    }

    private static Tensor tensor(String key, long[] shape) {
        if (BenchScenario.isCounter(key)) {
            return Tensor.scalar(0L);
        }
        float[] values = new float[Math.toIntExact(Arrays.stream(shape).reduce(1, Math::multiplyExact))];
        for (int i = 0; i < values.length; i++) {
            values[i] = (i * 31 + key.length()) % 1009 / 1009f - 0.5f;
        }
        return Tensor.of(values, shape);
    }

    @Override
    public void close() throws IOException {
        if (folder == null || !Files.exists(folder)) {
            return;
        }
        List<Path> made;
        try (Stream<Path> all = Files.walk(folder)) {
            made = all.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path file : made) {
            Files.delete(file);
        }
    }
}
