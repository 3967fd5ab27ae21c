package examples;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.ScriptModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/** A file of {@code torch.save(model)}: its weights are taken out as data, its Python class is never looked up. */
public final class WholeModel {
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        try (Checkpoint file = Checkpoint.open(folder.resolve("whole_model.pth"));
                StateDict weights = file.stateDict(Device.cpu());
                ScriptModule model = ScriptModule.load(folder.resolve("model.ts"), Device.cpu())) {
            System.out.println("classes in the file: " + file.opaqueGlobals());
            model.loadStateDict(weights).eval();
            try (Tensor flower = Tensor.of(new float[] {5.1f, 3.5f, 1.4f, 0.2f}, 1, 4);
                    Tensor scores = model.forward(flower)) {
                System.out.println(Arrays.toString(scores.toFloatArray()));
            }
        }
    }
}
