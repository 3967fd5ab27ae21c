package examples;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.ScriptModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/** Weights saved on a GPU, used on whatever is here: the best GPU, or the CPU where there is none. */
public final class GpuToAny {
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        Device device = args.length > 1 ? Device.parse(args[1]) : Device.bestAvailable();
        try (ScriptModule model = ScriptModule.load(folder.resolve("model.ts"), device);
                StateDict weights = Checkpoint.load(folder.resolve("gpu.pth"), device)) {   // map_location=device
            model.loadStateDict(weights).eval();
            try (Tensor flower = Tensor.of(new float[] {5.1f, 3.5f, 1.4f, 0.2f}, 1, 4).to(device);
                    Tensor scores = model.forward(flower)) {
                System.out.println(scores.device() + " " + Arrays.toString(scores.toFloatArray()));
            }
        }
    }
}
