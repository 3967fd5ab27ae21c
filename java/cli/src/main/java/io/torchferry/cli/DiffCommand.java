package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.OpenOptions;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code torchferry diff}: which tensors of two files differ, and by how much. Needs no libtorch. */
@Command(
        name = "diff",
        header = "Compare two checkpoints: which tensors differ, and by how much.",
        description = {
            "%nPairs tensors by name and compares dtypes, shapes and every element. Values are equal as in torch.equal, "
                    + "but that two NaNs are; with --rtol and --atol they are close as in torch.allclose(A, B). "
                    + "Formats may differ, and so may the order of the tensors. Where a tensor was saved (cuda:0, cpu) "
                    + "is reported and makes no difference. Elements are read in pieces; no libtorch is loaded.%n"},
        footer = {
            "%nExit status, as diff(1) has it: 0 the same, 1 different, 2 a file was refused or the command line is "
                    + "wrong.",
            "%nWith --json, one object:",
            "  {\"a\": {\"file\", \"format\", \"tensors\"}, \"b\": {..}, \"same\",",
            "   \"only_in_a\": [..], \"only_in_b\": [..],",
            "   \"tensors\": [{\"key\", \"status\": \"same\"|\"close\"|\"different\"|\"incomparable\",",
            "                \"a\": {\"dtype\", \"shape\", \"location\"}, \"b\": {..}, \"elements\", \"different\",",
            "                \"not_close\", \"max_abs\", \"max_rel\", \"nan_a\", \"nan_b\", \"first\", \"bits_equal\"}]}"})
final class DiffCommand implements Callable<Integer> {
    private static final int TROUBLE = 2;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "A", description = "A checkpoint.")
    private Path a;

    @Parameters(index = "1", paramLabel = "B", description = "The one to compare it with.")
    private Path b;

    @Option(names = "--key", paramLabel = "PATH", description = "Compare what is below this place of both contents.")
    private String key;

    @Option(names = "--key-a", paramLabel = "PATH", description = "The place in A, where it differs from that in B.")
    private String keyA;

    @Option(names = "--key-b", paramLabel = "PATH", description = "The place in B.")
    private String keyB;

    @Option(names = "--strip-prefix", paramLabel = "P",
            description = "Take this off the names of both that start with it, for example module.")
    private String prefix;

    @Option(names = "--strip-prefix-a", paramLabel = "P", description = "Take this off the names in A only.")
    private String prefixA;

    @Option(names = "--strip-prefix-b", paramLabel = "P", description = "Take this off the names in B only.")
    private String prefixB;

    @Option(names = "--rtol", paramLabel = "R", defaultValue = "0",
            description = "Relative tolerance, of B's magnitude (default: 0).")
    private double relative;

    @Option(names = "--atol", paramLabel = "T", defaultValue = "0", description = "Absolute tolerance (default: 0).")
    private double absolute;

    @Option(names = "--ignore-dtype", description = "Compare values only: another dtype alone makes no difference.")
    private boolean ignoreDtype;

    @Mixin
    private Opening opening;

    @Option(names = "--save-b", paramLabel = "N", description = "The save in B, where it is not the one in A.")
    private Long saveB;

    @Option(names = "--json", description = "Print one JSON object instead of tables.")
    private boolean json;

    @Option(names = "--all", description = "List every tensor, the equal ones too (text output).")
    private boolean all;

    @Override
    public Integer call() {
        if (!(relative >= 0 && absolute >= 0)) {
            throw new ParameterException(spec.commandLine(), "--rtol and --atol must not be negative");
        }
        PrintWriter out = spec.commandLine().getOut();
        Path file = a;
        try (Checkpoint first = Checkpoint.open(a, opening.options())) {
            file = b;
            try (Checkpoint second = Checkpoint.open(b, openingOfB())) {
                file = null;
                DiffSide left = DiffSide.of(a, first, or(keyA, key), or(prefixA, prefix));
                DiffSide right = DiffSide.of(b, second, or(keyB, key), or(prefixB, prefix));
                DiffRun run = new DiffRun(left, right, relative, absolute, ignoreDtype);
                run.compare(spec.commandLine().getErr());
                if (json) {
                    out.println(run.json());
                } else {
                    run.print(out, Terminal.width(), all);
                }
                return run.isSame() ? ExitStatus.DONE : ExitStatus.REFUSED;
            }
        } catch (Exception | OutOfMemoryError | LinkageError e) {
            Main.failures(spec.commandLine()).report(file == null ? null : file.toString(), e);
            return TROUBLE;
        }
    }

    private OpenOptions openingOfB() {
        return saveB == null ? opening.options() : opening.options().withSaveIndex(saveB);
    }

    private static String or(String ofOneSide, String ofBoth) {
        return ofOneSide != null ? ofOneSide : ofBoth;
    }
}
