package examples;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.ScriptModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/** A training checkpoint with several models, an optimizer and numbers: one index, and only what is asked for loaded. */
public final class SeveralModels {
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        Device device = Device.bestAvailable();
        try (Checkpoint file = Checkpoint.open(folder.resolve("several.pth"));
                StateDict first = file.stateDict(device, "models", "first");
                StateDict second = file.stateDict(device, "models", "second");
                ScriptModule model = ScriptModule.load(folder.resolve("model.ts"), device);
                Tensor flower = Tensor.of(new float[] {5.1f, 3.5f, 1.4f, 0.2f}, 1, 4).to(device)) {
            System.out.println("epoch " + file.root().get("epoch").asLong());
            for (StateDict weights : new StateDict[] {first, second}) {
                model.loadStateDict(weights).eval();
                try (Tensor scores = model.forward(flower)) {
                    System.out.println(Arrays.toString(scores.toFloatArray()));
                }
            }
        }
    }
}
