package io.torchferry.bench;

import ai.djl.Model;
import ai.djl.engine.Engine;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * DJL as a contender of {@code torchferry bench --peer}: loads TorchScript files on request. Says {@code ready JAVA DJL},
 * then reads a JSON object a line, {@code {"path": FILE, "times": N}}, and answers {@code ns 0 DURATION…} or
 * {@code error TEXT}. Giving the model back is not inside the clock.
 */
public final class DjlPeer {
    private DjlPeer() {
    }

    /** Reads requests until the end of standard input. */
    public static void main(String[] args) throws IOException {
        Engine engine = Engine.getEngine("PyTorch");
        System.out.println("ready " + System.getProperty("java.version") + " " + Engine.getDjlVersion() + " "
                + engine.getVersion());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                JsonObject request = JsonParser.parseString(line).getAsJsonObject();
                System.out.println(load(Path.of(request.get("path").getAsString()), request.get("times").getAsInt()));
            } catch (Exception e) {
                System.out.println("error " + e.toString().replace('\n', ' '));
            }
        }
    }

    private static String load(Path file, int times) throws Exception {
        StringBuilder answer = new StringBuilder("ns 0");
        for (int i = 0; i < times; i++) {
            long start = System.nanoTime();
            Model model = Model.newInstance("weights", "PyTorch");
            model.load(file);
            answer.append(' ').append(System.nanoTime() - start);
            model.close();
        }
        return answer.toString();
    }
}
