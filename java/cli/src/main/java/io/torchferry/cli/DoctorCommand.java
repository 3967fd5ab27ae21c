package io.torchferry.cli;

import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code torchferry doctor}: what this machine has, what is missing, and how to mend it. */
@Command(
        name = "doctor",
        header = "Tell what this machine has: JVM, native libraries, libtorch, devices; what is wrong, how to mend it.",
        description = "%nExit status 0 when checkpoints can be loaded, 1 when only `inspect` works or nothing does.%n")
final class DoctorCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print one JSON object instead of text.")
    private boolean json;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        Diagnosis diagnosis = Diagnosis.make();
        if (json) {
            out.println(json(diagnosis));
        } else {
            print(out, diagnosis);
        }
        return diagnosis.usable() == Diagnosis.Usable.EVERYTHING ? ExitStatus.DONE : ExitStatus.REFUSED;
    }

    private static String json(Diagnosis d) {
        JsonWriter json = new JsonWriter().beginObject().field("torchferry", VersionInfo.version());
        json.field("usable", d.usable().text).name("machine");
        d.machine().write(json);
        json.name("java").beginObject().field("version", System.getProperty("java.version"));
        json.field("vendor", System.getProperty("java.vendor")).field("home", System.getProperty("java.home"));
        json.endObject().name("native_library").beginObject().field("ok", d.nativeProblem() == null);
        json.field("version", d.nativeVersion()).field("problem", d.nativeProblem()).endObject();
        json.name("libtorch").beginObject().field("ok", d.torchProblem() == null).field("version", d.torchVersion());
        json.field("built_with", d.torchBuildVersion()).field("folder", d.torchFolder());
        json.field("problem", d.torchProblem()).endObject();
        json.field("attempts", d.attempts()).field("devices", d.devices()).field("best_device", d.bestDevice());
        json.name("self_test").beginObject().field("ok", d.selfTest().ok()).field("what", d.selfTest().what());
        json.endObject().name("problems").beginArray();
        for (Diagnosis.Problem problem : d.problems()) {
            json.beginObject().field("problem", problem.what()).field("cure", problem.cure()).endObject();
        }
        return json.endArray().endObject().toString();
    }

    private static void print(PrintWriter out, Diagnosis d) {
        line(out, "Torchferry", VersionInfo.version());
        line(out, "machine", d.machine().toString());
        line(out, "JVM", System.getProperty("java.version") + " (" + System.getProperty("java.vendor") + ") in "
                + System.getProperty("java.home"));
        line(out, "native", d.nativeProblem() == null ? "format library " + d.nativeVersion() : "not loaded");
        line(out, "libtorch", d.torchProblem() != null ? "not loaded"
                : d.torchVersion() + " in " + d.torchFolder() + " (built with " + d.torchBuildVersion() + ")");
        line(out, "devices", d.devices().isEmpty() ? "not known without libtorch"
                : String.join(", ", d.devices()) + " (best: " + d.bestDevice() + ")");
        line(out, "self-test", (d.selfTest().ok() ? "" : "FAILED: ") + d.selfTest().what());
        section(out, "What was tried to load the native libraries", d.attempts());
        List<String> problems = d.problems().stream().map(p -> p.what() + System.lineSeparator() + "      -> "
                + p.cure()).toList();
        section(out, "What is wrong, and what to do", problems);
        out.println();
        out.println(switch (d.usable()) {
            case EVERYTHING -> "Everything works.";
            case INSPECT_ONLY -> "Only `inspect` works here: checkpoints can be looked into, not loaded.";
            case NOTHING -> "Nothing works here yet.";
        });
    }

    private static void line(PrintWriter out, String label, String text) {
        out.println(String.format("%-12s", label) + Failures.oneLine(text));
    }

    private static void section(PrintWriter out, String heading, List<String> lines) {
        if (!lines.isEmpty()) {
            out.println();
            out.println(heading);
            lines.forEach(line -> out.println("  - " + line));
        }
    }
}
