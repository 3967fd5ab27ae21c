package io.torchferry;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Reads what real PyTorch saved, in every form that {@code tests/interop} knows, and compares it bit for bit with what
 * PyTorch itself read. Skipped, with the reason, where there is no PyTorch: see {@link InteropPython}.
 */
class InteropTest {
    private static InteropCases cases;

    @BeforeAll
    static void makeCases() throws Exception {
        cases = InteropPython.cases();
        HiddenAccelerator.hide();
    }

    @AfterAll
    static void showAccelerator() {
        HiddenAccelerator.show();
    }

    @TestFactory
    Stream<DynamicNode> files() {
        return CaseTests.sound(cases);
    }

    @TestFactory
    Stream<DynamicNode> mapLocations() {
        List<Device> devices = Device.available();
        assumeTrue(devices.equals(List.of(Device.cpu())),
                () -> "what PyTorch answers is known for a machine that has a CPU only; this one has " + devices);
        return CaseTests.placed(cases);
    }

    @TestFactory
    Stream<DynamicNode> badFiles() {
        return CaseTests.bad(cases);
    }

    @Test
    void badFilesTakeLittleMemory() throws Exception {
        HostileMemory.check(cases);
    }
}
