package io.torchferry.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A program that loads files on request and says how long each took, so that it is measured warm and without its start.
 * It says {@code ready …} first, then reads a JSON object a line and answers each with {@code ns TENSORS DURATION…} or
 * {@code error TEXT}. Not thread safe.
 */
final class PeerProcess implements AutoCloseable {
    private final Process process;
    private final Writer requests;
    private final BufferedReader answers;

    private PeerProcess(Process process) {
        this.process = process;
        requests = process.outputWriter(StandardCharsets.UTF_8);
        answers = process.inputReader(StandardCharsets.UTF_8);
    }

    static PeerProcess start(String... command) throws IOException {
        return new PeerProcess(
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start());
    }

    /**
     * What it says of itself after {@code ready}: versions.
     *
     * @throws IOException with what it says when it is not ready
     */
    List<String> greet() throws IOException {
        String[] words = answer().split(" ");
        if (!words[0].equals("ready")) {
            throw new IOException(String.join(" ", words));
        }
        return List.of(words).subList(1, words.length);
    }

    /** Loads one file several times; nanoseconds of each. */
    long[] load(Path file, int times) throws IOException {
        return timed(new JsonWriter().beginObject().field("path", file.toAbsolutePath().toString())
                .field("times", times).endObject(), times);
    }

    /**
     * Sends a request that loads.
     *
     * @param samples how many durations the answer has
     * @throws IOException with what the program says when it refuses, or when it is gone
     */
    long[] timed(JsonWriter request, int samples) throws IOException {
        String[] words = ask(request).split(" ");
        if (!words[0].equals("ns") || words.length != samples + 2) {
            throw new IOException(String.join(" ", words));
        }
        long[] nanos = new long[samples];
        for (int i = 0; i < samples; i++) {
            nanos[i] = Long.parseLong(words[i + 2]);
        }
        return nanos;
    }

    /** Sends any request; the line that comes back. */
    String ask(JsonWriter request) throws IOException {
        requests.write(request + "\n");
        requests.flush();
        return answer();
    }

    private String answer() throws IOException {
        String line = answers.readLine();
        if (line == null) {
            throw new IOException("the process ended without an answer");
        }
        return line;
    }

    long pid() {
        return process.pid();
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
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
