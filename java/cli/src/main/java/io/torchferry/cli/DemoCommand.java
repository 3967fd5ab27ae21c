package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.IncompatibleKeys;
import io.torchferry.MapLocation;
import io.torchferry.ScriptModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import io.torchferry.TensorInfo;
import io.torchferry.Torchferry;
import io.torchferry.Value;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code torchferry demo}: a checkpoint saved on a GPU, loaded here, put into a model, and the model asked. */
@Command(
        name = "demo",
        header = "Load a GPU-saved checkpoint into a model on this machine, run it, compare with PyTorch's answer.",
        description = {
            "%nThe checkpoint, the TorchScript model and the output that PyTorch recorded are part of this program. "
                    + "Exit status 1 when the model's answer differs from PyTorch's by more than 1e-5 of its size.%n"})
final class DemoCommand implements Callable<Integer> {
    private static final int ROWS_SHOWN = 6;

    @Spec
    private CommandSpec spec;

    @Option(names = "--device", paramLabel = "DEVICE", description = "Where the model runs (default: best).")
    private String deviceName = "best";

    private PrintWriter out;
    /** What the model can answer, as the checkpoint says. */
    private List<String> classes;

    @Override
    public Integer call() throws IOException {
        out = spec.commandLine().getOut();
        MapLocationSpec spelled = deviceSpec();
        try (Resources resources = new Resources()) {
            Path checkpoint = resources.file("demo/model_gpu.pth");
            Path model = resources.file("demo/model.ts");
            Path expected = resources.file("demo/expected.pth");
            Device device = ((MapLocation.To) spelled.resolve()).device();
            return run(checkpoint, model, expected, device);
        }
    }

    private MapLocationSpec deviceSpec() {
        try {
            MapLocationSpec parsed = MapLocationSpec.parse(deviceName);
            if (parsed.all() != null) {
                return parsed;
            }
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException("--device: " + e.getMessage());
        }
        throw new Failures.UsageException("--device takes one device: " + deviceName);
    }

    private int run(Path checkpointFile, Path modelFile, Path expectedFile, Device device) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(checkpointFile)) {
            classes = checkpoint.root().find("classes").map(Value::asList).orElse(List.of()).stream()
                    .map(Value::asString).toList();
            describe(checkpoint);
            out.println();
            out.println("2. This machine: best device " + device + ", libtorch " + Torchferry.libtorchVersion());
            long start = System.nanoTime();
            try (StateDict weights = checkpoint.stateDict(MapLocation.to(device), "model")) {
                out.println();
                out.println("3. Weights: " + Units.count(weights.size(), "tensor") + " from "
                        + String.join(", ", checkpoint.savedLocations()) + " to " + device + " in "
                        + Units.nanos(System.nanoTime() - start) + " (map_location=" + device + ")");
                return ask(modelFile, expectedFile, weights, device);
            }
        }
    }

    private void describe(Checkpoint checkpoint) throws IOException {
        List<TensorInfo> tensors = checkpoint.tensors("model");
        out.println("1. The checkpoint: model_gpu.pth, written by torch.save in Python");
        out.println("   " + checkpoint.format() + ", " + Units.bytes(checkpoint.size()) + ", saved on "
                + String.join(", ", checkpoint.savedLocations()) + ", epoch "
                + checkpoint.root().find("epoch").map(Value::toString).orElse("not recorded"));
        Table table = new Table("key", "dtype", "shape", "location").elastic(0);
        tensors.stream().limit(ROWS_SHOWN).forEach(tensor -> table.add(tensor.key(), tensor.dtype().torchName(),
                Units.shape(tensor.shape()), tensor.location()));
        table.print(out, "   ", Terminal.width());
        if (tensors.size() > ROWS_SHOWN) {
            out.println("   ... and " + Units.count(tensors.size() - ROWS_SHOWN, "more tensor"));
        }
    }

    private int ask(Path modelFile, Path expectedFile, StateDict weights, Device device) throws IOException {
        try (ScriptModule model = ScriptModule.load(modelFile, device);
                StateDict recorded = Checkpoint.load(expectedFile, Device.cpu())) {
            IncompatibleKeys keys = model.loadStateDict(weights, true);
            boolean matched = keys.missingKeys().isEmpty() && keys.unexpectedKeys().isEmpty();
            model.eval();
            out.println();
            out.println("4. Model: model.ts (TorchScript, " + model.typeName() + "), strict load_state_dict: "
                    + (matched ? "<All keys matched successfully>" : keys.toString()));
            Tensor input = recorded.get("input");
            long start = System.nanoTime();
            try (Tensor there = input.to(device); Tensor output = model.forward(there);
                    Tensor here = output.to(Device.cpu())) {
                long first = System.nanoTime() - start;
                out.println();
                out.println("5. Forward on " + Units.shape(input.shape()) + " gave " + Units.shape(here.shape())
                        + " in " + Units.nanos(first) + " the first time, " + Units.nanos(again(model, there))
                        + " once it is compiled");
                out.println("   Answers: " + String.join(", ", answers(here)));
                return compare(here, recorded.get("output"), device);
            }
        }
    }

    /** Nanoseconds of a run after TorchScript has compiled the model, which takes the first few. */
    private static long again(ScriptModule model, Tensor input) {
        Samples samples = new Samples();
        for (int run = 0; run < 5; run++) {
            long start = System.nanoTime();
            model.forward(input).close();
            samples.add(System.nanoTime() - start);
        }
        return samples.percentile(0);
    }

    /** The class that each row of the output is highest for. */
    private List<String> answers(Tensor output) {
        int columns = (int) output.shape()[1];
        float[] scores = output.toFloatArray();
        List<String> answers = new ArrayList<>();
        for (int row = 0; row < output.shape()[0]; row++) {
            int best = 0;
            for (int column = 1; column < columns; column++) {
                best = scores[row * columns + column] > scores[row * columns + best] ? column : best;
            }
            answers.add(best < classes.size() ? classes.get(best) : "class " + best);
        }
        return answers;
    }

    private int compare(Tensor got, Tensor recorded, Device device) {
        Difference difference = Difference.between(got, recorded);
        out.println("   Compared with the output PyTorch recorded: " + difference);
        out.println();
        if (!difference.isWithin(1e-5)) {
            out.println("The answer differs from PyTorch's: something is wrong here.");
            return ExitStatus.REFUSED;
        }
        out.println("Model is successfully loaded and can be used on a " + device + " !");
        return ExitStatus.DONE;
    }
}
