package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.StateDict;
import io.torchferry.TensorInfo;
import io.torchferry.Torchferry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What {@code doctor} finds out. Texts are null where there is nothing to say.
 *
 * @param machine the machine
 * @param nativeVersion version of the format library
 * @param nativeProblem why it cannot be loaded
 * @param torchVersion version of libtorch
 * @param torchBuildVersion the version that Torchferry was built with
 * @param torchFolder where libtorch is
 * @param torchProblem why it cannot be loaded
 * @param attempts what was tried to load native libraries
 * @param devices every device that can be used
 * @param bestDevice what {@code best} means
 * @param selfTest a checkpoint of this program, loaded
 * @param problems what is wrong, and the cures
 */
record Diagnosis(Machine machine, String nativeVersion, String nativeProblem, String torchVersion,
        String torchBuildVersion, String torchFolder, String torchProblem, List<String> attempts, List<String> devices,
        String bestDevice, SelfTest selfTest, List<Problem> problems) {

    /** What can be done on this machine. */
    enum Usable {
        EVERYTHING("everything"), INSPECT_ONLY("inspect only"), NOTHING("nothing");

        final String text;

        Usable(String text) {
            this.text = text;
        }
    }

    /** How the self-test went. */
    record SelfTest(boolean ok, String what) {}

    /** Something wrong and its cure. */
    record Problem(String what, String cure) {}

    /** A question whose answer may be an exception. */
    @FunctionalInterface
    private interface Question {
        String answer() throws Exception;
    }

    Usable usable() {
        if (nativeProblem != null) {
            return Usable.NOTHING;
        }
        return torchProblem == null && selfTest.ok ? Usable.EVERYTHING : Usable.INSPECT_ONLY;
    }

    static Diagnosis make() {
        String[] format = ask(Torchferry::version);
        String[] torch = ask(Torchferry::libtorchVersion);
        String[] built = ask(Torchferry::libtorchBuildVersion);
        boolean loaded = torch[1] == null;
        List<String> devices = loaded ? Device.available().stream().map(Device::toString).toList() : List.of();
        SelfTest selfTest = selfTest(format[1] == null, loaded);
        List<Problem> problems = problems(format[1], torch[1], selfTest);
        if (loaded && !sameMinor(torch[0], built[0])) {
            problems.add(new Problem("libtorch " + torch[0] + " runs, but Torchferry was built with " + built[0],
                    "use the same minor version, or build Torchferry against this one (LIBTORCH=... ./torchferry)"));
        }
        return new Diagnosis(Machine.here(), format[0], format[1], torch[0], built[0],
                Torchferry.libtorchFolder().map(Path::toString).orElse(null), torch[1], Torchferry.attempts(), devices,
                loaded ? Device.bestAvailable().toString() : null, selfTest, problems);
    }

    private static List<Problem> problems(String formatProblem, String torchProblem, SelfTest selfTest) {
        List<Problem> problems = new ArrayList<>();
        if (formatProblem != null) {
            problems.add(new Problem("Torchferry's own native library cannot be loaded", "build it for this platform ("
                    + Torchferry.platform() + ") with `mvn package`, or name its folder: -Dtorchferry.native.dir=DIR"));
        }
        if (torchProblem != null && formatProblem == null) {
            problems.add(new Problem("libtorch cannot be loaded", "name a folder with libtorch_cpu.so in it or in its "
                    + "lib/: LIBTORCH=DIR; `pip install torch` makes one: python3 -c 'import torch; "
                    + "print(torch.__path__[0])'"));
        } else if (torchProblem == null && Files.exists(Path.of("/dev/nvidiactl")) && Device.cudaCount() == 0) {
            problems.add(new Problem("there is an NVIDIA driver, but libtorch sees no CUDA device", "use a CUDA build "
                    + "of libtorch (LIBTORCH=DIR), and look whether nvidia-smi lists the device"));
        }
        if (torchProblem == null && formatProblem == null && !selfTest.ok) {
            problems.add(new Problem("the self-test failed: " + selfTest.what,
                    "build afresh (mvn clean package): libraries of two builds may be mixed"));
        }
        return problems;
    }

    /**
     * Loads the checkpoint of this program and compares every tensor's digest as the format library reads it with
     * libtorch's; without libtorch only the former.
     */
    private static SelfTest selfTest(boolean format, boolean torch) {
        if (!format) {
            return new SelfTest(false, "not possible without the native library");
        }
        long start = System.nanoTime();
        try (Resources resources = new Resources();
                Checkpoint checkpoint = Checkpoint.open(resources.file("demo/model_gpu.pth"))) {
            List<TensorInfo> tensors = checkpoint.tensors("model");
            String read = torch ? compare(checkpoint, tensors) : digestAll(checkpoint, tensors);
            String passed = "a checkpoint saved on " + String.join(", ", checkpoint.savedLocations()) + ": "
                    + Units.count(tensors.size(), "tensor") + (torch ? " loaded to the CPU" : " read") + " in "
                    + Units.nanos(System.nanoTime() - start);
            return new SelfTest(read.isEmpty(), read.isEmpty() ? passed : read);
        } catch (IOException | RuntimeException | LinkageError e) {
            return new SelfTest(false, Failures.oneLine(String.valueOf(e.getMessage())));
        }
    }

    private static String compare(Checkpoint checkpoint, List<TensorInfo> tensors) throws IOException {
        try (StateDict loaded = checkpoint.stateDict(Device.cpu(), "model")) {
            for (TensorInfo tensor : tensors) {
                String expected = checkpoint.digest(tensor, "SHA-256");
                if (!loaded.containsKey(tensor.key()) || !loaded.get(tensor.key()).digest("SHA-256").equals(expected)) {
                    return tensor.key() + " was not loaded as it is in the file";
                }
            }
            return loaded.size() == tensors.size() ? "" : loaded.size() + " tensors loaded of " + tensors.size();
        }
    }

    private static String digestAll(Checkpoint checkpoint, List<TensorInfo> tensors) throws IOException {
        for (TensorInfo tensor : tensors) {
            checkpoint.digest(tensor, "SHA-256");
        }
        return "";
    }

    /** The answer and null, or null and the problem. */
    private static String[] ask(Question question) {
        try {
            return new String[] {question.answer(), null};
        } catch (Exception | LinkageError e) {
            return new String[] {null, Failures.oneLine(String.valueOf(e.getMessage()))};
        }
    }

    private static boolean sameMinor(String a, String b) {
        return a != null && b != null && a.replaceFirst("(\\d+\\.\\d+).*", "$1")
                .equals(b.replaceFirst("(\\d+\\.\\d+).*", "$1"));
    }
}
