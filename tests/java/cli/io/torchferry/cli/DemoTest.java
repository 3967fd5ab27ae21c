package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.torchferry.Device;
import org.junit.jupiter.api.Test;

class DemoTest {
    @Test
    void aGpuSavedCheckpointAnswersHereAsInPython() {
        Cli run = Cli.expect(0, "demo", "--device", "cpu");
        assertTrue(run.out().contains("saved on cuda:0"), run.out());
        assertTrue(run.out().contains("<All keys matched successfully>"), run.out());
        assertTrue(run.out().lines().anyMatch(
                "Model is successfully loaded and can be used on a cpu !"::equals), run.out());
        assertEquals("", run.err());
    }

    @Test
    void onTheBestDevice() {
        String device = Device.bestAvailable().toString();
        assertTrue(Cli.expect(0, "demo").out().lines().anyMatch(
                ("Model is successfully loaded and can be used on a " + device + " !")::equals));
    }

    @Test
    void onADeviceThatIsNotThere() {
        assumeFalse(Device.cuda(0).isAvailable());
        Cli run = Cli.expect(ExitStatus.NO_DEVICE, "demo", "--device", "cuda:0");
        assertEquals(1, run.errors().size(), run.err());
        assertFalse(run.out().contains("successfully loaded"), run.out());
    }

    @Test
    void differences() {
        double[] reference = {1, -4, 0};
        assertTrue(Difference.between(new double[] {1, -4, 0}, reference, true).isWithin(0));
        assertTrue(Difference.between(new double[] {1, -4.00003, 0}, reference, false).isWithin(1e-5));
        assertFalse(Difference.between(new double[] {1, -4, 0.0001}, reference, false).isWithin(1e-5));
        assertFalse(Difference.between(new double[] {1, Double.NaN, 0}, reference, false).isWithin(1e-5));
        assertTrue(Difference.between(new double[] {Double.NaN, 1}, new double[] {Double.NaN, 1}, true).isWithin(0));
        assertFalse(Difference.between(new double[] {1e-9}, new double[] {0}, false).isWithin(1e-5));
    }
}
