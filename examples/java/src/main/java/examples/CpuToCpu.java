package examples;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.ScriptModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/** Weights saved on a CPU, used on a CPU. */
public final class CpuToCpu {
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        try (ScriptModule model = ScriptModule.load(folder.resolve("model.ts"), Device.cpu());
                StateDict weights = Checkpoint.load(folder.resolve("cpu.pth"))) {     // torch.load("cpu.pth")
            model.loadStateDict(weights).eval();
            try (Tensor flower = Tensor.of(new float[] {5.1f, 3.5f, 1.4f, 0.2f}, 1, 4);
                    Tensor scores = model.forward(flower)) {
                System.out.println(Arrays.toString(scores.toFloatArray()));
            }
        }
    }
}
