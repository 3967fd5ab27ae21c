package examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.NativeModule;
import io.torchferry.StateDict;
import io.torchferry.Torchferry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/** Runs the examples as a reader would, first with the CPU alone, then with the fake accelerator of the tests. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ExamplesTest {
    private static final Path ROOT = Path.of(System.getProperty("torchferry.root"));
    private static final String DATA = ROOT.resolve("examples/data").toString();

    /** An example's main. */
    @FunctionalInterface
    private interface Program {
        void main(String[] args) throws Exception;
    }

    private static StateDict expected;

    @BeforeAll
    static void readWhatPyTorchAnswered() throws IOException {
        expected = Checkpoint.load(Path.of(DATA, "expected.pth"));
    }

    @Test
    @Order(1)
    void onTheCpu() throws Exception {
        Device best = Device.bestAvailable();
        assertAnswers(run(CpuToCpu::main, DATA), "trained");
        assertAnswers(run(GpuToAny::main, DATA, "cpu"), "trained");
        assertAnswers(run(CpuToAny::main, DATA, "cpu"), "trained");
        if (best.isCpu()) {
            assertEquals(List.of("no GPU here"), run(GpuToGpu::main, DATA));
        }
        everywhere(best);
    }

    @Test
    @Order(2)
    void onTheFakeAccelerator() throws Exception {
        Torchferry.libtorchVersion();
        System.load(System.getProperty("torchferry.fakeDevice"));
        everywhere(Device.bestAvailable());
        for (Program program : List.<Program>of(GpuToAny::main, CpuToAny::main)) {
            List<String> lines = run(program, DATA, "privateuseone:1");
            assertTrue(lines.get(0).startsWith("privateuseone:1 "), lines.get(0));
            assertAnswers(lines, "trained");
        }
    }

    @Test
    @Order(3)
    void aResNetThatIsItsFile(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("resnet50.pth");
        try (NativeModule drawn = NativeModule.create("resnet50"); StateDict weights = drawn.stateDict()) {
            weights.save(file);
        }
        List<String> lines = run(ResNetWithoutCopies::main, file.toString());
        assertTrue(lines.get(0).matches("class \\d+ of 1000"), lines.get(0));
    }

    private static void everywhere(Device best) throws Exception {
        for (Program program : List.<Program>of(GpuToAny::main, CpuToAny::main)) {
            List<String> lines = run(program, DATA);
            assertTrue(lines.get(0).startsWith(best + " "), lines.get(0));
            assertAnswers(lines, "trained");
        }
        if (!best.isCpu()) {
            List<String> lines = run(GpuToGpu::main, DATA);
            assertTrue(lines.get(0).startsWith(best + " "), lines.get(0));
            assertAnswers(lines, "trained");
        }
        assertAnswers(run(WholeModel::main, DATA), 
                "classes in the file: [__main__.FlowerNet, torch.nn.modules.batchnorm.BatchNorm1d, "
                        + "torch.nn.modules.linear.Linear]", "trained");
        assertAnswers(run(SeveralModels::main, DATA), "epoch 7", "first", "second");
        assertAnswers(run(DataParallel::main, DATA), "trained");
    }

    /** Each line is a text of its own, or the answer of that name in expected.pth. */
    private static void assertAnswers(List<String> lines, String... wanted) {
        assertEquals(wanted.length, lines.size(), lines::toString);
        for (int i = 0; i < wanted.length; i++) {
            if (expected.containsKey(wanted[i])) {
                float[] answer = expected.get(wanted[i]).toFloatArray();
                assertArrayEquals(answer, floats(lines.get(i)), 1e-5f * answer[0]);
            } else {
                assertEquals(wanted[i], lines.get(i));
            }
        }
    }

    private static float[] floats(String line) {
        String[] numbers = line.substring(line.indexOf('[') + 1, line.indexOf(']')).split(", ");
        float[] floats = new float[numbers.length];
        for (int i = 0; i < numbers.length; i++) {
            floats[i] = Float.parseFloat(numbers[i]);
        }
        return floats;
    }

    private static List<String> run(Program program, String... args) throws Exception {
        ByteArrayOutputStream written = new ByteArrayOutputStream();
        PrintStream before = System.out;
        System.setOut(new PrintStream(written, true, StandardCharsets.UTF_8));
        try {
            program.main(args);
        } finally {
            System.setOut(before);
        }
        return written.toString(StandardCharsets.UTF_8).lines().toList();
    }
}
