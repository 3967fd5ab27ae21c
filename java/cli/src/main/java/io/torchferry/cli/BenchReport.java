package io.torchferry.cli;

import io.torchferry.Torchferry;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** All figures of one run of {@code bench}, as a table or as JSON. */
final class BenchReport {
    private static final double[] PERCENTILES = {10, 90, 99};
    /** How much longer 1 GiB may take than 64 MiB in equally many tensors. */
    private static final double SAME_TIME = 1.3;
    /** How many times one thread's throughput two threads should have. */
    private static final double TWO_THREADS = 1.8;

    /**
     * One table.
     *
     * @param name the scenario, or the file
     * @param bytes of the files
     * @param cold whether nothing of them was in memory
     * @param threads that load at once; 0: the contenders decide
     * @param results what was measured
     * @param targets what is aimed at
     */
    record Section(String name, long bytes, boolean cold, int threads, List<Round.Result> results,
            List<BenchScenario.Target> targets) {
        Optional<Samples> samples(String contender) {
            return results.stream().filter(r -> r.contender().id().equals(contender) && r.samples().size() > 0)
                    .map(Round.Result::samples).findFirst();
        }

        private boolean has(String contender) {
            return results.stream().anyMatch(r -> r.contender().id().equals(contender));
        }

        private String title() {
            return name + (cold ? ", not in memory" : "") + (threads > 0 ? ", " + Units.count(threads, "thread") : "");
        }
    }

    /** A target with what was reached: {@code ratio} is NaN where one of the two was not measured. */
    private record Outcome(String name, String what, double ratio, double target) {
        String verdict() {
            return Double.isNaN(ratio) ? "not measured" : ratio >= target ? "reached" : "missed";
        }
    }

    private final int rounds;
    private final TorchPeer.Found python;
    private final double loadBefore = Machine.load();
    private final List<Section> sections = new ArrayList<>();

    BenchReport(int rounds, TorchPeer.Found python) {
        this.rounds = rounds;
        this.python = python;
    }

    void add(Section section) {
        sections.add(section);
    }

    private List<Outcome> outcomes() {
        List<Outcome> outcomes = new ArrayList<>();
        for (Section section : sections) {
            for (BenchScenario.Target target : section.targets) {
                if (section.has(target.slower())) {
                    outcomes.add(new Outcome(section.title(), target.faster() + " against " + target.slower(),
                            ratio(section.samples(target.slower()), section.samples(target.faster())),
                            target.ratio()));
                }
            }
        }
        Optional<Samples> small = warm("large64m", 0, Contender.CORE);
        Optional<Samples> large = warm("large1g", 0, Contender.CORE);
        if (small.isPresent() || large.isPresent()) {
            outcomes.add(new Outcome("large1g", Contender.CORE
                    + ": time of 64 MiB by time of 1 GiB, equally many tensors", ratio(small, large), 1 / SAME_TIME));
        }
        for (String contender : List.of(Contender.JAVA, Contender.CORE_COPY)) {
            sections.stream().filter(s -> s.threads == 2 && s.samples(contender).isPresent()).forEach(two ->
                    outcomes.add(new Outcome(two.title(), contender + ": throughput by that of one thread",
                            ratio(warm(two.name, 1, contender), two.samples(contender)), TWO_THREADS)));
        }
        return outcomes;
    }

    private Optional<Samples> warm(String name, int threads, String contender) {
        return sections.stream().filter(s -> s.name.equals(name) && !s.cold && s.threads == threads).findFirst()
                .flatMap(s -> s.samples(contender));
    }

    private static double ratio(Optional<Samples> slower, Optional<Samples> faster) {
        return slower.isPresent() && faster.isPresent()
                ? (double) slower.get().median() / Math.max(1, faster.get().median()) : Double.NaN;
    }

    /** Tables: medians and percentiles, how many times the C++ core's median, and the targets. */
    void print(PrintWriter out) {
        out.println("machine   " + Machine.here());
        out.println("versions  Torchferry " + VersionInfo.version() + ", Java " + System.getProperty("java.version")
                + ", libtorch " + libtorch() + ", " + python.peer()
                .map(p -> "Python " + p.pythonVersion() + " with PyTorch " + p.torchVersion())
                .orElse("no PyTorch: " + Terminal.printable(python.reason())));
        out.println("method    " + Units.count(rounds, "round") + " interleaved; medians of all loads"
                + (Double.isNaN(loadBefore) ? "" : "; load average before " + Units.threeDigits(loadBefore)));
        for (Section section : sections) {
            out.println();
            out.println(Terminal.printable(section.title()) + ", " + Units.bytes(section.bytes));
            Table table = new Table("", ">median", ">p10", ">p90", ">p99", ">loads", ">x core", ">memory", ">read")
                    .elastic(0);
            Map<String, List<String>> skipped = new LinkedHashMap<>();
            for (Round.Result result : section.results) {
                if (result.samples().size() > 0) {
                    row(table, section, result);
                } else {
                    skipped.computeIfAbsent(result.skipped(), none -> new ArrayList<>()).add(result.contender().label());
                }
            }
            table.print(out, "  ", Math.max(Terminal.width(), 130));
            skipped.forEach((reason, who) -> out.println("  not measured: " + String.join("; ", who) + ": "
                    + Terminal.printable(reason)));
        }
        List<Outcome> outcomes = outcomes();
        if (!outcomes.isEmpty()) {
            out.println();
            Table table = new Table("target", "", ">at least", ">measured", "").elastic(1);
            outcomes.forEach(o -> table.add(o.name, o.what, Units.threeDigits(o.target),
                    Double.isNaN(o.ratio) ? "-" : Units.threeDigits(o.ratio), o.verdict()));
            table.print(out, "", Math.max(Terminal.width(), 110));
        }
    }

    private void row(Table table, Section section, Round.Result result) {
        Samples s = result.samples();
        double timesCore = ratio(Optional.of(s), section.samples(Contender.CORE));
        table.add(result.contender().label(), Units.nanos(s.median()), Units.nanos(s.percentile(10)),
                Units.nanos(s.percentile(90)), Units.nanos(s.percentile(99)), String.valueOf(s.size()),
                Double.isNaN(timesCore) ? "-" : Units.threeDigits(timesCore), bytes(result.usage().peakMemory()),
                bytes(result.usage().bytesRead()));
    }

    private static String bytes(long bytes) {
        return bytes < 0 ? "-" : Units.bytes(bytes);
    }

    String json() {
        JsonWriter json = new JsonWriter().beginObject().name("machine");
        Machine.here().write(json);
        json.name("versions").beginObject().field("torchferry", VersionInfo.version());
        json.field("java", System.getProperty("java.version")).field("libtorch", libtorch());
        json.field("python", python.peer().map(TorchPeer::pythonVersion).orElse(null));
        json.field("torch", python.peer().map(TorchPeer::torchVersion).orElse(null)).endObject();
        json.field("python_missing", python.peer().isPresent() ? null : python.reason()).field("rounds", rounds);
        json.field("load_average_before", loadBefore);
        json.name("scenarios").beginArray();
        sections.forEach(section -> section(json, section));
        json.endArray().name("targets").beginArray();
        for (Outcome outcome : outcomes()) {
            json.beginObject().field("scenario", outcome.name).field("what", outcome.what);
            json.field("at_least", outcome.target).field("measured", outcome.ratio);
            json.field("verdict", outcome.verdict()).endObject();
        }
        return json.endArray().endObject().toString();
    }

    private static void section(JsonWriter json, Section section) {
        json.beginObject().field("name", section.name).field("bytes", section.bytes).field("cold", section.cold);
        json.field("threads", section.threads).name("contenders").beginArray();
        for (Round.Result result : section.results) {
            Samples s = result.samples();
            json.beginObject().field("id", result.contender().id()).field("label", result.contender().label());
            json.field("loads", s.size()).field("skipped", result.skipped());
            if (s.size() > 0) {
                json.field("median_ns", s.median()).field("min_ns", s.percentile(0)).field("max_ns", s.percentile(100));
                for (double percent : PERCENTILES) {
                    json.field(String.format(Locale.ROOT, "p%.0f_ns", percent), s.percentile(percent));
                }
                json.field("times_core", ratio(Optional.of(s), section.samples(Contender.CORE)));
                json.field("peak_memory_bytes", result.usage().peakMemory());
                json.field("read_bytes", result.usage().bytesRead());
            }
            json.endObject();
        }
        json.endArray().endObject();
    }

    private static String libtorch() {
        return Torchferry.isLibtorchAvailable() ? Torchferry.libtorchVersion() : "not available";
    }
}
