package examples;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.MapLocation;
import io.torchferry.ScriptModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/** Weights saved on one GPU, used on another. */
public final class GpuToGpu {
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        Device gpu = Device.bestAvailable();
        if (gpu.isCpu()) {
            System.out.println("no GPU here");
            return;
        }
        MapLocation fromItsGpuToOurs = MapLocation.remap(Map.of("cuda:0", gpu));      // what was elsewhere stays there
        try (ScriptModule model = ScriptModule.load(folder.resolve("model.ts"), gpu);
                StateDict weights = Checkpoint.load(folder.resolve("gpu.pth"), fromItsGpuToOurs)) {
            model.loadStateDict(weights).eval();
            try (Tensor flower = Tensor.of(new float[] {5.1f, 3.5f, 1.4f, 0.2f}, 1, 4).to(gpu);
                    Tensor scores = model.forward(flower)) {
                System.out.println(scores.device() + " " + Arrays.toString(scores.toFloatArray()));
            }
        }
    }
}
