package examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The service under load, while its weights change. */
class InferenceServiceTest {
    private static final String FLOWER = "5.1 3.5 1.4 0.2";
    private static final int CLIENTS = 3;
    private static final int SWAPS = 40;

    private final HttpClient client = HttpClient.newHttpClient();
    private InferenceService service;

    @BeforeEach
    void start() throws IOException {
        service = new InferenceService(Path.of(System.getProperty("torchferry.root"), "examples/data"), 0);
    }

    @AfterEach
    void stop() {
        service.close();
    }

    @Test
    void everyRequestIsAnsweredByTheOldWeightsOrTheNew() throws Exception {
        Map<String, String> answers = new LinkedHashMap<>();
        for (String weights : List.of("several.pth models first", "several.pth models second")) {
            assertEquals(200, post("/weights", weights).statusCode());
            answers.put(post("/predict", FLOWER).body(), weights);
        }
        assertEquals(2, answers.size(), "both sets of weights must answer differently");

        AtomicBoolean ended = new AtomicBoolean();
        Map<String, AtomicInteger> seen = new ConcurrentHashMap<>();
        ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
        try {
            List<Future<Integer>> counts = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                counts.add(clients.submit(asking(ended, seen)));
            }
            List<String> weights = new ArrayList<>(answers.values());
            for (int i = 0; i < SWAPS; i++) {
                HttpResponse<String> swapped = post("/weights", weights.get(i % 2));
                assertEquals(200, swapped.statusCode(), swapped.body());
                String now = post("/predict", FLOWER).body();
                assertEquals(weights.get(i % 2), answers.get(now), "the first answer after a swap has the new weights");
            }
            ended.set(true);
            int asked = 0;
            for (Future<Integer> count : counts) {
                asked += count.get();
            }
            assertTrue(asked >= SWAPS, "only " + asked + " requests");
            assertEquals(answers.keySet(), seen.keySet(), "answers of neither set of weights, or of one alone");
        } finally {
            ended.set(true);
            clients.shutdown();
        }
    }

    /** Asks until the end; every request must be answered. */
    private Callable<Integer> asking(AtomicBoolean ended, Map<String, AtomicInteger> seen) {
        return () -> {
            int asked = 0;
            while (!ended.get()) {
                HttpResponse<String> answer = post("/predict", FLOWER);
                assertEquals(200, answer.statusCode(), answer.body());
                seen.computeIfAbsent(answer.body(), body -> new AtomicInteger()).incrementAndGet();
                asked++;
            }
            return asked;
        };
    }

    @Test
    void weightsThatDoNotFitChangeNothing() throws Exception {
        assertEquals(200, post("/weights", "cpu.pth").statusCode());
        String before = post("/predict", FLOWER).body();
        HttpResponse<String> refused = post("/weights", "data_parallel.pth");
        assertEquals(400, refused.statusCode());
        assertTrue(refused.body().startsWith("Error(s) in loading state_dict for FlowerNet:"), refused.body());
        assertEquals(400, post("/weights", "not_there.pth").statusCode());
        assertEquals(400, post("/weights", "../data/../../pom.xml").statusCode());
        assertEquals(before, post("/predict", FLOWER).body());
    }

    private HttpResponse<String> post(String path, String body) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://localhost:" + service.port() + path))
                .POST(HttpRequest.BodyPublishers.ofString(body)).build();
        return client.send(request, HttpResponse.BodyHandlers.ofString());
    }
}
