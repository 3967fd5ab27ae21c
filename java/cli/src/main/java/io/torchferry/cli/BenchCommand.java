package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.Torchferry;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code torchferry bench}: how long loading takes, against libtorch's own reader and against PyTorch. */
@Command(
        name = "bench",
        header = "Measure loading against libtorch's own reader and against PyTorch, on the same file.",
        description = {
            "%nLoads each file again and again, in rounds that give every contender its turn, and compares medians. "
                    + "Without FILE it makes its own files in a temporary folder: a ResNet-50 state dict, 10,000 small "
                    + "tensors, and 64 MiB and 1 GiB in equally many tensors. torch.load and safetensors take part "
                    + "where a Python with PyTorch is found.%n"},
        footer = {
            "%nInside the clock, for every contender: from a path to all tensors as usable",
            "CPU tensors. Outside: giving them back. Memory is the most that was resident",
            "during one load, beyond what was before; read is what came from the disk."})
final class BenchCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "FILE", arity = "0..*",
            description = "Files to measure with, instead of those that it makes.")
    private List<Path> files = List.of();

    @Option(names = "--scenario", paramLabel = "NAME", split = ",",
            description = "Which of its own files: resnet50, small10k, large64m, large1g (these, when none is named), "
                    + "legacy, safetensors, whole_model, shards2g, or all.")
    private List<String> names = List.of();

    @Option(names = "--iterations", paramLabel = "N", defaultValue = "15",
            description = "Rounds (default: ${DEFAULT-VALUE}).")
    private int iterations;

    @Option(names = "--cold",
            description = "Measure also with the files taken out of memory before each load.")
    private boolean cold;

    @Option(names = "--threads", paramLabel = "N", split = ",",
            description = "Measure also so many threads at once, each on a file of its own, for example 1,2,8.")
    private List<Integer> threads = List.of();

    @Option(names = "--python", paramLabel = "PATH",
            description = "The Python with PyTorch (default: TORCHFERRY_PYTHON, else python3).")
    private String python;

    @Option(names = "--peer", paramLabel = "NAME=COMMAND",
            description = "Another program that loads the same weights from TorchScript (repeatable); tests/bench says "
                    + "how it is asked.")
    private Map<String, String> peers = new LinkedHashMap<>();

    @Option(names = "--dir", paramLabel = "DIR",
            description = "Where its own files are made, and deleted afterwards (default: the temporary folder).")
    private Path folder;

    @Option(names = "--save", paramLabel = "FILE", description = "Write the JSON object to a file, too.")
    private Path saved;

    @Option(names = "--json", description = "Print one JSON object with all figures instead of tables.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (iterations < 1) {
            throw new ParameterException(spec.commandLine(), "--iterations must be at least 1: " + iterations);
        }
        if (threads.stream().anyMatch(count -> count < 1 || count > 256)) {
            throw new ParameterException(spec.commandLine(), "--threads must be from 1 to 256: " + threads);
        }
        PrintWriter out = spec.commandLine().getOut();
        List<BenchScenario> scenarios = scenarios();
        Torchferry.libtorchVersion();
        for (Path file : files) {
            Checkpoint.open(file).close();
        }
        try (BenchPeers found = BenchPeers.start(python, peers)) {
            BenchReport report = measure(scenarios, found);
            if (saved != null) {
                Files.writeString(saved, report.json() + "\n");
            }
            if (json) {
                out.println(report.json());
            } else {
                report.print(out);
            }
        }
        return ExitStatus.DONE;
    }

    private List<BenchScenario> scenarios() {
        if (!files.isEmpty() && names.isEmpty()) {
            return List.of();
        }
        Set<String> wanted = new LinkedHashSet<>(names);
        boolean all = wanted.remove("all");
        List<BenchScenario> chosen = new ArrayList<>();
        for (BenchScenario scenario : BenchScenario.all()) {
            if (wanted.remove(scenario.name()) || all || names.isEmpty() && scenario.usual()) {
                chosen.add(scenario);
            }
        }
        if (!wanted.isEmpty()) {
            List<String> known = BenchScenario.all().stream().map(BenchScenario::name).toList();
            throw new ParameterException(spec.commandLine(), "no scenario is named " + String.join(", ", wanted)
                    + "; there are " + String.join(", ", known) + ", and all");
        }
        return chosen;
    }

    private BenchReport measure(List<BenchScenario> scenarios, BenchPeers found) throws IOException {
        BenchReport report = new BenchReport(iterations, found.python());
        for (Path file : files) {
            run(report, file.toString(), BenchFiles.of(file), found, null);
        }
        Path made = folder == null ? Files.createTempDirectory("torchferry-bench-") : Files.createDirectories(folder);
        try {
            for (BenchScenario scenario : scenarios) {
                status("writing " + scenario.name() + " (" + Units.bytes(scenario.nbytes()) + ")");
                try (BenchFiles own = BenchFiles.make(scenario, made.resolve("torchferry-bench-" + scenario.name()),
                        found.python().peer())) {
                    run(report, scenario.name(), own, found, scenario);
                } catch (BenchFiles.NeedsPython e) {
                    spec.commandLine().getErr().println("torchferry: " + scenario.name() + " left out: "
                            + e.getMessage());
                }
            }
        } finally {
            status("");
            if (folder == null) {
                Files.deleteIfExists(made);
            }
        }
        return report;
    }

    /** Measures one scenario, or one file of the user's where it is null. */
    private void run(BenchReport report, String name, BenchFiles own, BenchPeers found, BenchScenario scenario)
            throws IOException {
        BenchScenario.Kind kind = scenario == null ? BenchScenario.Kind.ZIP : scenario.kind();
        List<Contender> contenders = Contenders.of(found, kind, scenario == null || scenario.againstLibtorch(),
                scenario != null && scenario.asTorchScript());
        measure(report, name, own, contenders, false, 0, scenario == null ? List.of() : scenario.targets());
        if (cold) {
            measure(report, name, own, contenders.stream().filter(Contender::cold).toList(), true, 0, List.of());
        }
        for (int count : threads) {
            measure(report, name, own, Contenders.inThreads(found, kind, count), false, count, List.of());
        }
    }

    private void measure(BenchReport report, String name, BenchFiles own, List<Contender> contenders, boolean isCold,
            int threadCount, List<BenchScenario.Target> targets) throws IOException {
        String what = name + (isCold ? " cold" : "") + (threadCount > 0 ? " with threads" : "");
        status("warming up on " + what);
        List<Round.Result> results = Round.measure(own, contenders, isCold, iterations,
                round -> status("measuring " + what + ", round " + round + " of " + iterations));
        report.add(new BenchReport.Section(name, own.size(), isCold, threadCount, results, targets));
    }

    /** One line on a terminal's standard error that the next one replaces. */
    private void status(String text) {
        if (Terminal.errIsInteractive()) {
            PrintWriter err = spec.commandLine().getErr();
            err.print("\r" + Table.shortened(Terminal.printable(text), 78) + " ".repeat(Math.max(0, 78 - text.length()))
                    + (text.isEmpty() ? "\r" : ""));
            err.flush();
        }
    }
}
