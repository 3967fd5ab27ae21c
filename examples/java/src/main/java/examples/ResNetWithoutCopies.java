package examples;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.NativeModule;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** A ResNet-50 whose weights are the mapped file itself. */
public final class ResNetWithoutCopies {
    public static void main(String[] args) throws IOException {
        try (NativeModule model = NativeModule.create("resnet50", Map.of("num_classes", 1000), Device.meta());
                StateDict weights = Checkpoint.load(Path.of(args[0]), Device.cpu())) {
            model.loadStateDict(weights, true, true);                               // strict=True, assign=True
            model.eval();
            try (Tensor image = Tensor.of(new float[3 * 224 * 224], 1, 3, 224, 224);
                    Tensor scores = model.forward(image)) {
                float[] all = scores.toFloatArray();
                int best = 0;
                for (int i = 1; i < all.length; i++) {
                    best = all[i] > all[best] ? i : best;
                }
                System.out.println("class " + best + " of " + all.length);
            }
        }
    }
}
