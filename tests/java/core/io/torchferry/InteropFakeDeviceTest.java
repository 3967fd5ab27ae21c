package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Puts what real PyTorch saved on a second device, the tests' fake accelerator, and compares it there and after the way
 * back: elements, geometry and which tensors share memory.
 */
class InteropFakeDeviceTest {
    private static final Device ZERO = new Device("privateuseone", 0);
    private static final Device ONE = new Device("privateuseone", 1);
    private static final Map<String, Device> SWAPPED = Map.of("cuda:0", ONE, "cuda:1", ZERO, "cuda", ONE);

    private static InteropCases cases;

    @BeforeAll
    static void makeCases() throws Exception {
        cases = InteropPython.cases();
        Fixtures.loadFakeDevice();
    }

    @TestFactory
    Stream<DynamicTest> everythingOnOneDevice() {
        return sound().map(one -> dynamicTest(one.name() + ": on " + ONE, () -> onOneDevice(one)));
    }

    /** Two saved locations on two devices, and what was on the CPU stays there. */
    @TestFactory
    Stream<DynamicTest> cudaRemapped() {
        return sound().filter(one -> one.locations().stream().anyMatch(SWAPPED::containsKey))
                .filter(one -> one.locations().stream().allMatch(at -> at.equals("cpu") || SWAPPED.containsKey(at)))
                .map(one -> dynamicTest(one.name() + ": remapped", () -> remapped(one)));
    }

    private static void remapped(InteropCases.Case one) throws IOException {
        compare(one, MapLocation.remap(SWAPPED), tensor -> SWAPPED.getOrDefault(tensor.location(), Device.cpu()));
    }

    private static void onOneDevice(InteropCases.Case one) throws IOException {
        compare(one, MapLocation.to(ONE), tensor -> ONE);
    }

    /** Loads, compares the dict where it is, and compares it after the way back. */
    private static void compare(InteropCases.Case one, MapLocation location,
            Function<InteropCases.TensorCase, Device> device) throws IOException {
        Set<String> left = one.tensors().stream().filter(InteropFakeDeviceTest::lacksKernels)
                .map(InteropCases.TensorCase::key).collect(Collectors.toSet());
        LoadOptions options = LoadOptions.defaults().mapLocation(location).filter(key -> !left.contains(key));
        try (StateDict there = Checkpoint.load(one.file(), options.saveIndex(one.saveIndex()))) {
            LoadComparison.compare(one, there, device, InteropFakeDeviceTest::lacksKernels);
            if (one.tensors().stream().anyMatch(tensor -> tensor.sha256() == null)) {
                assertThrows(IllegalArgumentException.class, () -> there.to(Device.cpu()), "meta tensors have no data");
                return;
            }
            try (StateDict back = there.to(Device.cpu())) {
                LoadComparison.compare(one, back, tensor -> Device.cpu(), InteropFakeDeviceTest::lacksKernels);
            }
        }
    }

    /** Kinds of tensors for which libtorch has no code on a backend like the fake one: they stay in the file. */
    private static boolean lacksKernels(InteropCases.TensorCase tensor) {
        return tensor.quantizer() != null || !tensor.isStrided();
    }

    private static Stream<InteropCases.Case> sound() {
        return cases.cases().stream().filter(one -> one.refused() == null);
    }
}
