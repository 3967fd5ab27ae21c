package io.torchferry.bench;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Draws what {@code torchferry bench --save} wrote: {@code Charts BENCH.json FOLDER}. */
public final class Charts {
    /** Contenders in the order and under the short names of the charts. */
    private static final Map<String, String> NAMES = new LinkedHashMap<>();

    static {
        NAMES.put("torchferry_core", "Torchferry C++");
        NAMES.put("torchferry_java", "Torchferry Java");
        NAMES.put("torchferry_core_touch", "Torchferry, all used");
        NAMES.put("torchferry_core_copy", "Torchferry, copied");
        NAMES.put("torch_load_mmap", "torch.load(mmap)");
        NAMES.put("torch_load", "torch.load");
        NAMES.put("torch_load_weights_only_false", "torch.load(unsafe)");
        NAMES.put("safetensors_load_file", "safetensors");
        NAMES.put("libtorch_pickle_load", "libtorch");
        NAMES.put("djl_load", "DJL");
    }

    private Charts() {
    }

    /** Writes one PNG for each scenario that was measured warm, and one for each that was measured with threads. */
    public static void main(String[] args) throws IOException {
        System.setProperty("java.awt.headless", "true");
        Path folder = Files.createDirectories(Path.of(args[1]));
        JsonObject report = JsonParser.parseString(Files.readString(Path.of(args[0]))).getAsJsonObject();
        Map<String, List<JsonObject>> threads = new LinkedHashMap<>();
        for (JsonElement element : report.getAsJsonArray("scenarios")) {
            JsonObject section = element.getAsJsonObject();
            String name = section.get("name").getAsString();
            if (section.get("threads").getAsInt() > 0) {
                threads.computeIfAbsent(name, none -> new ArrayList<>()).add(section);
            } else {
                boolean cold = section.get("cold").getAsBoolean();
                medians(section, name + (cold ? ", not in memory" : ""), folder.resolve(name + (cold ? "-cold" : "")));
            }
        }
        for (Map.Entry<String, List<JsonObject>> entry : threads.entrySet()) {
            throughput(entry.getKey(), entry.getValue(), folder.resolve(entry.getKey() + "-threads"));
        }
    }

    private static void medians(JsonObject section, String title, Path file) throws IOException {
        Map<String, Double> medians = medians(section);
        List<String> names = new ArrayList<>();
        List<Double> values = new ArrayList<>();
        NAMES.forEach((id, name) -> {
            if (medians.containsKey(id)) {
                names.add(name);
                values.add(medians.get(id));
            }
        });
        if (!names.isEmpty()) {
            CategoryChart chart = chart("From a path to tensors: " + title, "milliseconds (median)");
            chart.getStyler().setXAxisLabelRotation(35).setYAxisLogarithmic(true);
            chart.getStyler().setLegendVisible(false);
            // A logarithmic axis begins at a power of ten.
            chart.getStyler().setYAxisMin(Math.pow(10, Math.floor(Math.log10(Collections.min(values)))));
            chart.addSeries("median", names, values);
            write(chart, file);
        }
    }

    private static void throughput(String title, List<JsonObject> sections, Path file) throws IOException {
        CategoryChart chart = chart("Loads a second by threads: " + title, "times one thread's");
        List<String> counts = sections.stream().map(section -> section.get("threads").getAsString()).toList();
        Map<String, Double> one = medians(sections.get(0));
        one.forEach((id, single) -> {
            List<Double> times = sections.stream().map(section -> single / medians(section).getOrDefault(id, Double.NaN))
                    .toList();
            if (times.stream().allMatch(Double::isFinite)) {
                chart.addSeries(NAMES.getOrDefault(id, id), counts, times);
            }
        });
        chart.getStyler().setLegendPosition(LegendPosition.InsideNW);
        write(chart, file);
    }

    private static void write(CategoryChart chart, Path file) throws IOException {
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", Path.of(file + ".png").toFile());
    }

    private static CategoryChart chart(String title, String unit) {
        CategoryChart chart = new CategoryChartBuilder().width(900).height(480).title(title).yAxisTitle(unit).build();
        chart.getStyler().setPlotGridVerticalLinesVisible(false);
        chart.getStyler().setAvailableSpaceFill(0.6);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        return chart;
    }

    /** Milliseconds by contender, of those that were measured. */
    private static Map<String, Double> medians(JsonObject section) {
        Map<String, Double> medians = new LinkedHashMap<>();
        for (JsonElement element : section.getAsJsonArray("contenders")) {
            JsonObject contender = element.getAsJsonObject();
            if (contender.has("median_ns")) {
                medians.put(contender.get("id").getAsString(), contender.get("median_ns").getAsLong() / 1e6);
            }
        }
        return medians;
    }
}
