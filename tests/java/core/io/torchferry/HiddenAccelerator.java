package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;

/** Lets tests of a machine without accelerators run in a JVM where another test has loaded the fake one. */
final class HiddenAccelerator {
    private static boolean hidden;

    private HiddenAccelerator() {
    }

    /** Takes all indices of the fake accelerator away, when it is loaded; tensors that nobody holds are freed first. */
    static void hide() throws IOException, InterruptedException {
        if (!Fixtures.maps().contains("libtorchferry_fake_device")) {
            return;
        }
        assertTrue(Fixtures.collectUntil(HiddenAccelerator::takeAway), "a test still holds memory of the fake device");
        hidden = true;
    }

    private static boolean takeAway() {
        try {
            FakeDevice.setDeviceCount(0);
            return true;
        } catch (IllegalArgumentException inUse) {
            return false;
        }
    }

    /** Gives them back. */
    static void show() {
        if (hidden) {
            FakeDevice.setDeviceCount(2);
            hidden = false;
        }
    }
}
