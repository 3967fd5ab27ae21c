import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.StateDict;
import java.nio.file.Path;

/** Loads a checkpoint onto the best device there is and tells what came. */
public class LoadCheckpoint {
    public static void main(String[] args) throws Exception {
        try (StateDict weights = Checkpoint.load(Path.of(args[0]), Device.bestAvailable())) {
            weights.forEach((name, tensor) -> System.out.println(name + " " + tensor));
            System.out.println(weights.size() + " tensors, bytes by device: " + weights.bytesByDevice());
        }
    }
}
