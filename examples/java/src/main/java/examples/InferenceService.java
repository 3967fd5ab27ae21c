package examples;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.LoadOptions;
import io.torchferry.ScriptModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;

/**
 * Answers requests over HTTP while its weights are replaced.
 *
 * <pre>
 * POST /predict   5.1 3.5 1.4 0.2                the answer
 * POST /weights   several.pth models second      a file of the folder, and the place of the weights in it
 * </pre>
 */
public final class InferenceService implements AutoCloseable {
    private final Path folder;
    private final Device device = Device.bestAvailable();
    private final ScriptModule model;
    private final ExecutorService workers = Executors.newFixedThreadPool(4);
    private final HttpServer server;

    public InferenceService(Path folder, int port) throws IOException {
        this.folder = folder;
        model = ScriptModule.load(folder.resolve("model.ts"), device).eval();
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        server.createContext("/predict", exchange -> answer(exchange, this::predict));
        server.createContext("/weights", exchange -> answer(exchange, this::load));
        server.setExecutor(workers);
        server.start();
    }

    /** Runs on many threads at once. */
    private String predict(String numbers) {
        float[] lengths = new float[4];
        String[] words = numbers.split(" ");
        for (int i = 0; i < lengths.length; i++) {
            lengths[i] = Float.parseFloat(words[i]);
        }
        try (Tensor given = Tensor.of(lengths, 1, 4); Tensor flower = given.to(device);
                Tensor scores = model.forward(flower)) {
            return Arrays.toString(scores.toFloatArray());
        }
    }

    /**
     * The new weights are read and brought to the device while requests go on. Then assign puts them in place, which
     * copies nothing: requests that run end with the old weights, the next ones have the new.
     */
    private String load(String fileAndPlace) throws IOException {
        String[] words = fileAndPlace.split(" ");
        Path file = folder.resolve(Path.of(words[0]).getFileName());             // nothing outside the folder
        LoadOptions options = LoadOptions.defaults().mapLocation(device).mmap(false);
        try (StateDict weights = Checkpoint.load(file, options, Arrays.copyOfRange(words, 1, words.length))) {
            model.loadStateDict(weights, true, true);                            // strict, assign
            return "loaded " + weights.size() + " tensors of " + file.getFileName() + " to " + device;
        }
    }

    /** What makes an answer of a request's text. */
    @FunctionalInterface
    private interface Answer {
        String to(String request) throws IOException;
    }

    private static void answer(HttpExchange exchange, Answer answer) throws IOException {
        int status = 200;
        String text;
        try {
            text = answer.to(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8).strip());
        } catch (IOException | RuntimeException e) {                              // the module is as before
            status = 400;
            text = String.valueOf(e.getMessage());
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try (exchange) {
            exchange.sendResponseHeaders(status, bytes.length);
            exchange.getResponseBody().write(bytes);
        }
    }

    public int port() {
        return server.getAddress().getPort();
    }

    /** Waits for the requests that run. */
    @Override
    public void close() {
        server.stop(1);
        workers.shutdown();
        model.close();
    }

    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        try (Stream<Path> files = Files.list(folder)) {
            System.out.println("files: " + files.map(Path::getFileName).sorted().toList());
        }
        System.out.println("http://localhost:" + new InferenceService(folder, 8080).port());
    }
}
