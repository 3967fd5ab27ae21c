package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Waiting for a loader on virtual threads, where the JVM has them. */
@Timeout(60)
class VirtualThreadTest {
    @TempDir
    Path folder;

    private static ExecutorService virtualThreads() throws Exception {
        assumeTrue(Runtime.version().feature() >= 21, "this JVM has no virtual threads");
        return (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
    }

    @Test
    void theirCarriersAreNeverPinned() throws Exception {
        ExecutorService clients = virtualThreads();
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 3, 1000);
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        LoadOptions options = LoaderFiles.to(Device.cpu());
        Torchferry.isLibtorchAvailable();
        try (Recording recording = new Recording();
                CheckpointLoader loader = CheckpointLoader.builder().threads(2).build()) {
            recording.enable("jdk.VirtualThreadPinned").withThreshold(java.time.Duration.ZERO);
            recording.start();
            List<Future<Float>> results = new ArrayList<>();
            for (int i = 0; i < 500; i++) {
                results.add(clients.submit(() -> {
                    LoadFuture load = loader.load(file, options.filter(key -> {
                        started.countDown();
                        awaitQuietly(open);
                        return true;
                    }));
                    try (StateDict dict = load.await()) {
                        return dict.get("t2").toFloatArray()[999];
                    }
                }));
            }
            // All 500 wait now, whatever the number of carriers: another one still runs.
            started.await();
            clients.submit(() -> 1).get(10, TimeUnit.SECONDS);
            open.countDown();
            for (Future<Float> result : results) {
                assertEquals(2f, result.get());
            }
            recording.stop();
            assertEquals(List.of(), pinned(recording));
        }
        clients.shutdown();
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Where a carrier was held while its virtual thread waited for a load; loading classes holds it, too. */
    private List<String> pinned(Recording recording) throws Exception {
        Path dump = folder.resolve("pinned.jfr");
        recording.dump(dump);
        List<String> found = new ArrayList<>();
        for (RecordedEvent event : RecordingFile.readAllEvents(dump)) {
            boolean isPinning = event.getEventType().getName().equals("jdk.VirtualThreadPinned");
            if (isPinning && event.toString().contains("io.torchferry.LoadFuture")) {
                found.add(event.toString());
            }
        }
        Files.delete(dump);
        return found;
    }
}
