package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.Torchferry;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
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
            "%nLoads each file again and again, warm, in rounds that give every contender its turn, and compares "
                    + "medians. Without FILE it makes its own files in a temporary folder: a ResNet-50 state dict, "
                    + "10,000 small tensors, and 64 MB and 1 GB in equally many tensors. torch.load takes part where "
                    + "a Python with PyTorch is found.%n"},
        footer = {
            "%nInside the clock, for every contender: from a path to all tensors as usable",
            "CPU tensors. Outside: giving them back. Files are in the page cache; nothing",
            "is measured cold."})
final class BenchCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "FILE", arity = "0..*",
            description = "Files to measure with, instead of those that it makes.")
    private List<Path> files = List.of();

    @Option(names = "--scenario", paramLabel = "NAME", split = ",",
            description = "Which of its own files: resnet50, small10k, large64m, large1g (default: all).")
    private List<String> names = List.of();

    @Option(names = "--iterations", paramLabel = "N", defaultValue = "15",
            description = "Rounds (default: ${DEFAULT-VALUE}).")
    private int iterations;

    @Option(names = "--python", paramLabel = "PATH",
            description = "The Python with PyTorch (default: TORCHFERRY_PYTHON, else python3).")
    private String python;

    @Option(names = "--dir", paramLabel = "DIR",
            description = "Where its own files are made, and deleted afterwards (default: the temporary folder).")
    private Path folder;

    @Option(names = "--json", description = "Print one JSON object with all figures instead of tables.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (iterations < 1) {
            throw new ParameterException(spec.commandLine(), "--iterations must be at least 1: " + iterations);
        }
        PrintWriter out = spec.commandLine().getOut();
        List<BenchScenario> scenarios = scenarios();
        Torchferry.libtorchVersion();
        for (Path file : files) {
            Checkpoint.open(file).close();
        }
        TorchPeer.Found found = TorchPeer.start(python);
        try {
            BenchReport report = measure(scenarios, found);
            if (json) {
                out.println(report.json());
            } else {
                report.print(out);
            }
        } finally {
            found.peer().ifPresent(TorchPeer::close);
        }
        return ExitStatus.DONE;
    }

    private List<BenchScenario> scenarios() {
        if (!files.isEmpty() && names.isEmpty()) {
            return List.of();
        }
        Set<String> wanted = new LinkedHashSet<>(names);
        List<BenchScenario> chosen = new ArrayList<>();
        for (BenchScenario scenario : BenchScenario.all()) {
            if (names.isEmpty() || wanted.remove(scenario.name())) {
                chosen.add(scenario);
            }
        }
        if (!wanted.isEmpty()) {
            List<String> known = BenchScenario.all().stream().map(BenchScenario::name).toList();
            throw new ParameterException(spec.commandLine(), "no scenario is named " + String.join(", ", wanted)
                    + "; there are " + String.join(", ", known));
        }
        return chosen;
    }

    private BenchReport measure(List<BenchScenario> scenarios, TorchPeer.Found found) throws IOException {
        BenchReport report = new BenchReport(iterations, found);
        for (Path file : files) {
            run(report, file.toString(), file, Contenders.of(found.peer(), true), List.of());
        }
        Path made = folder == null ? Files.createTempDirectory("torchferry-bench-") : Files.createDirectories(folder);
        try {
            for (BenchScenario scenario : scenarios) {
                Path file = made.resolve("torchferry-bench-" + scenario.name() + ".pt");
                requireSpace(made, scenario);
                try {
                    status("writing " + scenario.name() + " (" + Units.bytes(scenario.nbytes()) + ")");
                    scenario.write(file);
                    List<Contender> contenders = Contenders.of(found.peer(), scenario.againstLibtorch());
                    run(report, scenario.name(), file, contenders, scenario.targets());
                } finally {
                    Files.deleteIfExists(file);
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

    private static void requireSpace(Path folder, BenchScenario scenario) throws IOException {
        long free = Files.getFileStore(folder).getUsableSpace();
        if (free < scenario.nbytes() + 10_000_000) {
            throw new IOException(folder + ": " + scenario.name() + " needs " + Units.bytes(scenario.nbytes())
                    + ", and " + Units.bytes(free) + " are free; name another folder with --dir");
        }
    }

    private void run(BenchReport report, String name, Path file, List<Contender> contenders,
            List<BenchScenario.Target> targets) throws IOException {
        status("warming up on " + name);
        List<Round.Result> results = Round.measure(file, contenders, iterations,
                round -> status("measuring " + name + ", round " + round + " of " + iterations));
        report.add(name, Files.size(file), results, targets);
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
