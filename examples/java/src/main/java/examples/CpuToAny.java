package examples;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.ScriptModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/** Weights saved on a CPU, used on whatever is here: copied from the mapped file straight to the model's device. */
public final class CpuToAny {
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        Device device = args.length > 1 ? Device.parse(args[1]) : Device.bestAvailable();
        try (ScriptModule model = ScriptModule.load(folder.resolve("model.ts"), Device.cpu()).to(device);
                StateDict weights = Checkpoint.load(folder.resolve("cpu.pth"))) {
            model.loadStateDict(weights).eval();                              // the model's device decides
            try (Tensor flower = Tensor.of(new float[] {5.1f, 3.5f, 1.4f, 0.2f}, 1, 4).to(device);
                    Tensor scores = model.forward(flower)) {
                System.out.println(scores.device() + " " + Arrays.toString(scores.toFloatArray()));
            }
        }
    }
}
