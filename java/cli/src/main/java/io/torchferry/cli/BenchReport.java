package io.torchferry.cli;

import io.torchferry.Torchferry;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** All figures of one run of {@code bench}, as a table or as JSON. */
final class BenchReport {
    private static final double[] PERCENTILES = {10, 90, 99};
    private static final double SAME_TIME = 1.5;

    /** One file's figures. */
    private record Section(String name, long bytes, List<Round.Result> results, List<BenchScenario.Target> targets) {
        Optional<Samples> samples(String contender) {
            return results.stream().filter(r -> r.contender().id().equals(contender) && r.samples().size() > 0)
                    .map(Round.Result::samples).findFirst();
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

    void add(String name, long bytes, List<Round.Result> results, List<BenchScenario.Target> targets) {
        sections.add(new Section(name, bytes, results, targets));
    }

    private List<Outcome> outcomes() {
        List<Outcome> outcomes = new ArrayList<>();
        for (Section section : sections) {
            for (BenchScenario.Target target : section.targets) {
                outcomes.add(new Outcome(section.name, target.faster() + " against " + target.slower(),
                        ratio(section.samples(target.slower()), section.samples(target.faster())), target.ratio()));
            }
        }
        Optional<Samples> small = core("large64m");
        Optional<Samples> large = core("large1g");
        if (small.isPresent() || large.isPresent()) {
            outcomes.add(new Outcome("large1g", Contender.CORE
                    + ": time of 64 MB by time of 1 GB, equally many tensors", ratio(small, large), 1 / SAME_TIME));
        }
        return outcomes;
    }

    private Optional<Samples> core(String name) {
        return sections.stream().filter(s -> s.name.equals(name)).findFirst().flatMap(s -> s.samples(Contender.CORE));
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
        out.println("method    warm, " + Units.count(rounds, "round") + " interleaved; medians of all loads"
                + (Double.isNaN(loadBefore) ? "" : "; load average before " + Units.threeDigits(loadBefore)));
        for (Section section : sections) {
            out.println();
            out.println(Terminal.printable(section.name) + ", " + Units.bytes(section.bytes));
            Table table = new Table("", ">median", ">p10", ">p90", ">p99", ">loads", ">x core").elastic(0);
            section.results.forEach(result -> row(table, section, result));
            table.print(out, "  ", Terminal.width());
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
        if (s.size() == 0) {
            table.add(result.contender().label(), "skipped: " + Table.shortened(String.valueOf(result.skipped()), 60),
                    "", "", "", "", "");
            return;
        }
        double timesCore = ratio(Optional.of(s), section.samples(Contender.CORE));
        table.add(result.contender().label(), Units.nanos(s.median()), Units.nanos(s.percentile(10)),
                Units.nanos(s.percentile(90)), Units.nanos(s.percentile(99)), String.valueOf(s.size()),
                Double.isNaN(timesCore) ? "-" : Units.threeDigits(timesCore));
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
        json.beginObject().field("name", section.name).field("bytes", section.bytes).name("contenders").beginArray();
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
            }
            json.endObject();
        }
        json.endArray().endObject();
    }

    private static String libtorch() {
        return Torchferry.isLibtorchAvailable() ? Torchferry.libtorchVersion() : "not available";
    }
}
