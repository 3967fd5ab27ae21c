package io.torchferry.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A Python process with PyTorch that loads and makes files on request. The script is a resource of this jar
 * (tests/bench/torch_peer.py). Not thread safe.
 */
final class TorchPeer implements AutoCloseable {
    private static final String SCRIPT = "/io/torchferry/cli/bench/torch_peer.py";

    private final PeerProcess process;
    private final Path script;
    private List<String> versions = List.of();

    private TorchPeer(PeerProcess process, Path script) {
        this.process = process;
        this.script = script;
    }

    /** A peer, or why there is none. */
    record Found(Optional<TorchPeer> peer, String reason) {}

    /**
     * Starts the interpreter that was asked for, or else TORCHFERRY_PYTHON, or else python3.
     *
     * @param asked what {@code --python} says, or null
     */
    static Found start(String asked) {
        List<String> reasons = new ArrayList<>();
        for (String interpreter : interpreters(asked)) {
            try {
                return new Found(Optional.of(launch(interpreter)), "");
            } catch (IOException e) {
                reasons.add(interpreter + ": " + e.getMessage());
            }
        }
        return new Found(Optional.empty(), "no Python with PyTorch (" + String.join("; ", reasons)
                + "); name one with --python or TORCHFERRY_PYTHON");
    }

    private static List<String> interpreters(String asked) {
        String variable = System.getenv("TORCHFERRY_PYTHON");
        if (asked != null) {
            return List.of(asked);
        }
        return variable == null || variable.isEmpty() ? List.of("python3") : List.of(variable);
    }

    private static TorchPeer launch(String interpreter) throws IOException {
        Path script = Files.createTempFile("torchferry-bench-", ".py");
        try (InputStream source = TorchPeer.class.getResourceAsStream(SCRIPT)) {
            if (source == null) {
                throw new IOException("this build lacks its resource " + SCRIPT);
            }
            Files.write(script, source.readAllBytes());
            TorchPeer peer = new TorchPeer(
                    PeerProcess.start(interpreter, "-u", "-W", "ignore", script.toString()), script);
            try {
                peer.versions = peer.process.greet();
                return peer;
            } catch (IOException e) {
                peer.close();
                throw e;
            }
        } catch (IOException e) {
            Files.deleteIfExists(script);
            throw e;
        }
    }

    String pythonVersion() {
        return versions.get(0);
    }

    String torchVersion() {
        return versions.get(1);
    }

    long pid() {
        return process.pid();
    }

    /**
     * {@code torch.load}, several times.
     *
     * @return nanoseconds of each
     * @throws IOException with what Python says when it refuses the file, or when the process is gone
     */
    long[] load(Path file, boolean mmap, boolean weightsOnly, String device, int times) throws IOException {
        return process.timed(new JsonWriter().beginObject().field("path", file.toAbsolutePath().toString())
                .field("mmap", mmap).field("weights_only", weightsOnly).field("device", device)
                .field("times", times).endObject(), times);
    }

    /** {@code torch.load} by as many Python threads as there are files; the time of all loads by their number. */
    long[] loadInThreads(List<Path> files, int times) throws IOException {
        JsonWriter request = new JsonWriter().beginObject();
        paths(request, files);
        return process.timed(request.field("times", times).endObject(), 1);
    }

    /** {@code safetensors.torch.load_file} of all files, several times. */
    long[] loadSafetensors(List<Path> files, String device, int times) throws IOException {
        JsonWriter request = new JsonWriter().beginObject();
        paths(request, files);
        return process.timed(request.field("safetensors", true).field("device", device).field("times", times)
                .endObject(), times);
    }

    private static void paths(JsonWriter request, List<Path> files) {
        request.name("paths").beginArray();
        files.forEach(file -> request.value(file.toAbsolutePath().toString()));
        request.endArray();
    }

    /**
     * Has Python write the weights of a file in another way.
     *
     * @param what "legacy", "whole_model" or "torchscript"
     */
    void make(String what, Path source, Path out) throws IOException {
        String answer = process.ask(new JsonWriter().beginObject().field("make", what)
                .field("path", source.toAbsolutePath().toString()).field("out", out.toAbsolutePath().toString())
                .endObject());
        if (!answer.equals("made")) {
            throw new IOException(answer);
        }
    }

    @Override
    public void close() {
        process.close();
        try {
            Files.deleteIfExists(script);
        } catch (IOException stays) {
            script.toFile().deleteOnExit();
        }
    }
}
