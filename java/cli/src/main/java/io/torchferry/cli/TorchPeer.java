package io.torchferry.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * A Python process with PyTorch that loads files on request, so that torch.load is measured warm and without Python's
 * start. The script is a resource of this jar (tests/bench/torch_peer.py). Not thread safe.
 */
final class TorchPeer implements AutoCloseable {
    private static final String SCRIPT = "/io/torchferry/cli/bench/torch_peer.py";

    private final Process process;
    private final Writer requests;
    private final BufferedReader answers;
    private final Path script;
    private String python = "";
    private String torch = "";
    private String threads = "";

    private TorchPeer(Process process, Path script) {
        this.process = process;
        this.script = script;
        requests = process.outputWriter(StandardCharsets.UTF_8);
        answers = process.inputReader(StandardCharsets.UTF_8);
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
                TorchPeer peer = launch(interpreter);
                String refusal = peer.greet();
                if (refusal == null) {
                    return new Found(Optional.of(peer), "");
                }
                peer.close();
                reasons.add(interpreter + ": " + refusal);
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
            Process process = new ProcessBuilder(interpreter, "-u", "-W", "ignore", script.toString())
                    .redirectError(ProcessBuilder.Redirect.DISCARD).start();
            return new TorchPeer(process, script);
        } catch (IOException e) {
            Files.deleteIfExists(script);
            throw e;
        }
    }

    /** Reads the first line. Null when the peer is ready, else what it says. */
    private String greet() throws IOException {
        String[] words = answer().split(" ");
        if (words.length != 4 || !words[0].equals("ready")) {
            return String.join(" ", words);
        }
        python = words[1];
        torch = words[2];
        threads = words[3];
        return null;
    }

    String pythonVersion() {
        return python;
    }

    String torchVersion() {
        return torch;
    }

    /** torch.get_num_threads() of the peer. */
    String threads() {
        return threads;
    }

    /**
     * Loads a file several times.
     *
     * @return nanoseconds of each torch.load
     * @throws IOException with what Python says when it refuses the file, or when the process is gone
     */
    long[] load(Path file, boolean mmap, boolean weightsOnly, int times) throws IOException {
        JsonWriter request = new JsonWriter().beginObject().field("path", file.toAbsolutePath().toString())
                .field("mmap", mmap).field("weights_only", weightsOnly).field("times", times).endObject();
        requests.write(request + "\n");
        requests.flush();
        String[] words = answer().split(" ");
        if (!words[0].equals("ns") || words.length != times + 2) {
            throw new IOException("torch.load: " + String.join(" ", words));
        }
        long[] nanos = new long[times];
        for (int i = 0; i < times; i++) {
            nanos[i] = Long.parseLong(words[i + 2]);
        }
        return nanos;
    }

    private String answer() throws IOException {
        String line = answers.readLine();
        if (line == null) {
            throw new IOException("the Python process ended without an answer");
        }
        return line;
    }

    @Override
    public void close() {
        try {
            requests.close();
        } catch (IOException alreadyGone) {
            process.destroy();
        }
        try {
            if (!process.waitFor(5, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
            Files.deleteIfExists(script);
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        } catch (IOException stays) {
            script.toFile().deleteOnExit();
        }
    }
}
