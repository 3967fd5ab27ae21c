package examples;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.ScriptModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/** Weights of a model that was wrapped in DataParallel, whose names all begin with "module.". */
public final class DataParallel {
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        Device device = Device.bestAvailable();
        try (ScriptModule model = ScriptModule.load(folder.resolve("model.ts"), device);
                StateDict wrapped = Checkpoint.load(folder.resolve("data_parallel.pth"), device);
                StateDict weights = wrapped.withPrefixStripped("module.")) {
            model.loadStateDict(weights).eval();
            try (Tensor flower = Tensor.of(new float[] {5.1f, 3.5f, 1.4f, 0.2f}, 1, 4).to(device);
                    Tensor scores = model.forward(flower)) {
                System.out.println(Arrays.toString(scores.toFloatArray()));
            }
        }
    }
}
