import io.torchferry.Checkpoint;
import io.torchferry.Format;
import io.torchferry.LoadOptions;
import io.torchferry.SaveOptions;
import io.torchferry.StateDict;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Path;

/** The Java side of save.py: loads FILE into memory, then saves it to each "FORMAT PATH" it reads; prints nanoseconds. */
final class SaveBench {
    public static void main(String[] args) throws Exception {
        try (StateDict dict = Checkpoint.load(Path.of(args[0]), LoadOptions.defaults().mmap(false));
                BufferedReader in = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String[] words = line.split(" ", 2);
                SaveOptions options = SaveOptions.defaults().format(Format.valueOf(words[0]));
                long start = System.nanoTime();
                dict.save(Path.of(words[1]), options);
                System.out.println(System.nanoTime() - start);
            }
        }
    }
}
