package io.torchferry.cli;

import io.torchferry.Checkpoint;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code torchferry inspect}: the index of a file. Reads no tensor byte and needs no libtorch. */
@Command(
        name = "inspect",
        header = "Show what is in a checkpoint: tensors, saved locations, other content.",
        description = {
            "%nReads the file's index only: no byte of any tensor is read, no libtorch is loaded, no code of the "
                    + "file is run. So it is quick on files of any size and safe on files of any origin.%n"},
        footer = {
            "%nWith --json, one object a line and file:",
            "  {\"file\", \"format\", \"size\", \"locations\": [..],",
            "   \"tensors\": [{\"key\", \"dtype\", \"shape\", \"stride\", \"location\", \"nbytes\",",
            "                \"layout\", \"storage\", \"storage_offset\", ...}],",
            "   \"state_dicts\": [{\"path\", \"tensors\"}] (what looks like a model),",
            "   \"storages\": {..}, \"opaque_globals\": [..], \"content\" (with --values),",
            "   \"saves\" (a legacy file that holds more than one: how many; --save N shows another)}"})
final class InspectCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "FILE", arity = "1..*",
            description = "Checkpoints to look into: files, indexes of shards, directories.")
    private List<Path> files;

    @Option(names = "--json", description = "Print one JSON object a line instead of tables.")
    private boolean json;

    @Mixin
    private Opening opening;

    @Option(names = "--values", description = "Show the content that is not tensors in full.")
    private boolean values;

    @Option(names = "--all", description = "List every tensor and storage; long lists are shortened otherwise.")
    private boolean all;

    @Option(names = "--tree", description = "Show the tensors as a tree with the bytes of each part, instead of a list.")
    private boolean tree;

    @Option(names = "--treemap", paramLabel = "PNG",
            description = "Write a picture of where the bytes are: each tensor a rectangle as large as its share.")
    private Path treemap;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        if (treemap != null && files.size() > 1) {
            throw new ParameterException(spec.commandLine(), "--treemap is a picture of one file");
        }
        return Main.failures(spec.commandLine()).forEach(files, file -> {
            try (Checkpoint checkpoint = Checkpoint.open(file, opening.options())) {
                if (json) {
                    out.println(InspectJson.of(file, checkpoint, values));
                } else {
                    new InspectText(out, Terminal.width(), all, values, tree).print(file, checkpoint);
                }
                if (treemap != null) {
                    Treemap.write(TensorTree.of(file.getFileName().toString(), checkpoint.tensors()), treemap);
                    if (!json) {
                        out.println("  treemap    " + treemap);
                    }
                }
            }
        });
    }
}
