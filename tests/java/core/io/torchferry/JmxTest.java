package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import javax.management.Attribute;
import javax.management.JMX;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import org.junit.jupiter.api.Test;

/** What JMX shows, as a client of the MBean server sees it. */
class JmxTest {
    private static final MBeanServer SERVER = ManagementFactory.getPlatformMBeanServer();

    @Test
    void aLoader() throws Exception {
        Path file = Fixtures.file("golden_zip.pt");
        ObjectName name;
        try (CheckpointLoader loader = CheckpointLoader.builder().threads(2).countMapped(true)
                .budget(Device.cpu(), 1_000_000).build();
                Jmx.Registration shown = Jmx.register(loader, "main \"one\"")) {
            name = shown.name();
            LoaderMXBean bean = JMX.newMXBeanProxy(SERVER, name, LoaderMXBean.class);
            assertEquals(2, bean.getThreads());
            LoadFuture load = loader.load(file);
            try (StateDict dict = load.get()) {
                load.ended().toCompletableFuture().join();
                assertEquals(1, bean.getLoaded());
                assertEquals(Map.of("cpu", 12L), bean.getBytesHeld());
                assertEquals(12, bean.getBytesLoaded());
                assertEquals(1, dict.size());
            }
            assertEquals(Map.of("cpu", 0L), bean.getBytesHeld());
            assertEquals(Map.of("cpu", 12L), bean.getPeakBytes());
            assertEquals(Map.of("cpu", 1_000_000L), bean.getBudgets());
            assertEquals(0, bean.getFailed() + bean.getQueued() + bean.getRunning() + bean.getCancelled()
                    + bean.getTimedOut() + bean.getRejected() + bean.getWaitingForBudget());
            assertTrue(bean.getLoadMillis() >= 0 && bean.getQueuedMillis() >= 0 && bean.getBudgetMillis() >= 0);
            assertThrows(IllegalStateException.class, () -> Jmx.register(loader, "main \"one\""));
        }
        assertFalse(SERVER.isRegistered(name));
    }

    @Test
    void theLibrary() throws Exception {
        NativeLoader.torch();
        try (Jmx.Registration shown = Jmx.register()) {
            assertEquals("io.torchferry:type=Torchferry", shown.name().toString());
            TorchferryMXBean bean = JMX.newMXBeanProxy(SERVER, shown.name(), TorchferryMXBean.class);
            assertEquals(Torchferry.version(), bean.getVersion());
            assertEquals(Torchferry.libtorchVersion(), bean.getLibtorchVersion());
            assertEquals(Torchferry.libtorchFolder().orElseThrow().toString(), bean.getLibtorchFolder());
            assertTrue(bean.getAttempts().get(0).endsWith("loaded"), bean.getAttempts().toString());
            long open = bean.getOpenObjects();
            try (Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
                assertEquals(open + 1, bean.getOpenObjects(), file.toString());
            }
            long before = bean.getStagingLimit();
            SERVER.setAttribute(shown.name(), new Attribute("StagingLimit", 1L << 25));
            assertEquals(1L << 25, Staging.status().limit());
            bean.setStagingLimit(before);
            bean.releaseStaging();
            assertEquals(0, bean.getStagingInUse());
            assertEquals(Staging.status().pinned(), bean.getStagingPinned());
            shown.close();
        }
    }

    /** Looks at the bean in a JVM where nothing has needed libtorch. */
    static final class Look {
        public static void main(String[] arguments) throws Exception {
            try (Jmx.Registration shown = Jmx.register()) {
                TorchferryMXBean bean = JMX.newMXBeanProxy(SERVER, shown.name(), TorchferryMXBean.class);
                System.out.println("'" + bean.getLibtorchVersion() + bean.getLibtorchFolder() + "' "
                        + bean.getStagingLimit() + " " + bean.getVersion().equals(Torchferry.version()));
                bean.releaseStaging();
                System.out.println(Fixtures.maps().contains("libtorch_cpu"));
            }
        }
    }

    @Test
    void lookingLoadsNothing() throws Exception {
        Fixtures.Outcome outcome = Fixtures.fork(Look.class, List.of(
                "-Dtorchferry.native.dir=" + System.getProperty("torchferry.native.dir"),
                "-Dtorchferry.libtorch=" + Fixtures.libtorch()));
        assertEquals("'' 0 true\nfalse\n", outcome.output());
    }
}
