package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a Flight Recorder recording tells. */
class FlightTest {
    @TempDir
    Path folder;

    private interface Work {
        void run() throws Exception;
    }

    /** The events of one kind about a file of the test, or about all when the file is null. */
    private List<RecordedEvent> record(String name, String field, String wanted, Work work) throws Exception {
        Path dump = folder.resolve("dump.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            work.run();
            recording.stop();
            recording.dump(dump);
        }
        List<RecordedEvent> events = RecordingFile.readAllEvents(dump).stream()
                .filter(event -> event.getEventType().getName().equals("io.torchferry." + name))
                .filter(event -> event.getString(field).contains(wanted))
                .sorted(Comparator.comparing(RecordedEvent::getStartTime)).toList();
        Files.delete(dump);
        return events;
    }

    @Test
    void openings() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("opened.pt"), 2, 10);
        Path bad = Files.write(folder.resolve("opened_bad.pt"), new byte[100]);
        List<RecordedEvent> events = record("CheckpointOpen", "file", "opened", () -> {
            Checkpoint.open(file).close();
            assertThrows(IOException.class, () -> Checkpoint.open(bad));
        });
        assertEquals(2, events.size());
        assertEquals(file.toString(), events.get(0).getString("file"));
        assertEquals("zip", events.get(0).getString("format"));
        assertEquals(Files.size(file), events.get(0).getLong("fileSize"));
        assertNull(events.get(0).getString("failure"));
        assertTrue(events.get(0).getDuration().toNanos() > 0);
        assertTrue(events.get(0).getStackTrace().getFrames().stream()
                .anyMatch(frame -> frame.getMethod().getType().getName().endsWith("FlightTest")));
        assertTrue(events.get(1).getString("failure").contains("opened_bad.pt"));
    }

    @Test
    void loads() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("loaded.pt"), 2, 10);
        List<RecordedEvent> events = record("CheckpointLoad", "file", "loaded.pt", () -> {
            Checkpoint.load(file, Device.cpu()).close();
            Checkpoint.load(file, LoadOptions.defaults().mapLocation(Device.cpu()).mmap(false)).close();
            assertThrows(DeviceUnavailableException.class, () -> Checkpoint.load(file, Device.cuda(99)));
        });
        assertEquals(3, events.size());
        RecordedEvent mapped = events.get(0);
        assertEquals("mapped", mapped.getString("strategy"));
        assertEquals(2, mapped.getInt("tensors"));
        assertEquals(80, mapped.getLong("bytes"));
        assertEquals(80, mapped.getLong("bytesMapped"));
        assertEquals("cpu=80", mapped.getString("devices"));
        assertEquals("", mapped.getString("place"));
        assertTrue(mapped.getDuration("planning").toNanos() + mapped.getDuration("building").toNanos() > 0);
        assertEquals("read", events.get(1).getString("strategy"));
        assertEquals(80, events.get(1).getLong("bytesRead"));
        assertTrue(events.get(2).getString("failure").startsWith("io.torchferry.DeviceUnavailableException"));
    }

    @Test
    void copiesToDevicesAndPlaces() throws Exception {
        Fixtures.loadFakeDevice();
        List<RecordedEvent> events = record("CheckpointLoad", "file", "model_gpu.pth", () -> Checkpoint.load(
                Fixtures.demo("model_gpu.pth"), LoaderFiles.to(LoaderFiles.ONE), "model").close());
        assertEquals("model", events.get(0).getString("place"));
        assertTrue(Set.of("pinned", "staged").contains(events.get(0).getString("strategy")), events.get(0).toString());
        assertTrue(events.get(0).getString("devices").startsWith("privateuseone:1="));
        assertEquals(events.get(0).getLong("bytes"), events.get(0).getLong("bytesCopied"));
    }

    @Test
    void transfersOfLoadsAndMoves() throws Exception {
        Fixtures.loadFakeDevice();
        Path file = LoaderFiles.write(folder.resolve("moved.pt"), 2, 10);
        List<RecordedEvent> events = record("DeviceTransfer", "device", "", () -> {
            try (StateDict there = Checkpoint.load(file, LoaderFiles.ONE); StateDict back = there.to(Device.cpu())) {
                assertEquals(2, back.size());
                assertThrows(DeviceUnavailableException.class, () -> back.to(Device.cuda(99)));
            }
            Checkpoint.load(file, Device.cpu()).close();
        });
        assertEquals(List.of("privateuseone:1", "cpu", "cuda:99"),
                events.stream().map(event -> event.getString("device")).toList());
        assertEquals(List.of(80L, 80L, 80L), events.stream().map(event -> event.getLong("bytes")).toList());
        assertEquals(file.toString(), events.get(0).getString("source"));
        assertEquals("privateuseone:1=80", events.get(1).getString("source"));
        assertTrue(events.get(1).getDuration("transfer").toNanos() > 0);
        assertNull(events.get(1).getString("failure"));
        assertTrue(events.get(2).getString("failure").startsWith("io.torchferry.DeviceUnavailableException"));
    }

    @Test
    void savings() throws Exception {
        Path file = folder.resolve("saved.pt");
        List<RecordedEvent> events = record("StateDictSave", "file", "saved", () -> {
            try (StateDict dict = Checkpoint.load(LoaderFiles.write(folder.resolve("a.pt"), 2, 10), Device.cpu())) {
                dict.save(file);
                assertThrows(IOException.class, () -> dict.save(folder.resolve("nowhere/saved.pt")));
            }
        });
        assertEquals(Files.size(file), events.get(0).getLong("fileSize"));
        assertEquals(2, events.get(0).getInt("tensors"));
        assertNotNull(events.get(1).getString("failure"));
    }

    @Test
    void closingsAndLeaks() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("leaked.pt"), 1, 1);
        List<RecordedEvent> closings = record("Close", "owner", "leaked.pt", () -> {
            try (Checkpoint checkpoint = Checkpoint.open(file)) {
                assertFalse(checkpoint.tensors().isEmpty());
            }
        });
        assertEquals(1, closings.size());
        assertTrue(closings.get(0).getDuration("heldFor").toNanos() > 0);
        System.setProperty("torchferry.leakTrace", "true");
        try {
            List<RecordedEvent> leaks = record("Leak", "owner", "leaked.pt", () -> {
                WeakReference<Checkpoint> forgotten = new WeakReference<>(Checkpoint.open(file));
                assertTrue(Fixtures.collectUntil(() -> forgotten.get() == null));
                // The event follows on the cleaner's thread.
                Thread.sleep(500);
            });
            assertEquals(1, leaks.size());
            assertTrue(leaks.get(0).getString("openedAt").contains("FlightTest.lambda$closingsAndLeaks"),
                    leaks.get(0).getString("openedAt"));
        } finally {
            System.clearProperty("torchferry.leakTrace");
        }
    }

    @Test
    void loaders() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("loader.pt"), 2, 10);
        List<RecordedEvent> events = record("LoaderLoad", "file", "loader", () -> {
            try (CheckpointLoader loader = CheckpointLoader.builder().threads(1).build()) {
                LoadOptions options = LoadOptions.defaults().mapLocation(Device.cpu()).mmap(false);
                loader.load(file, options).await().close();
                assertThrows(IOException.class, () -> loader.load(folder.resolve("loader_missing.pt")).await());
            }
        });
        assertEquals(List.of("LOADED", "FAILED"), events.stream().map(event -> event.getString("result")).toList());
        assertEquals(80, events.get(0).getLong("bytes"));
        assertTrue(events.get(0).getDuration("loading").toNanos() > 0);
        assertTrue(events.get(1).getString("failure").contains("loader_missing.pt"));
    }

    @Test
    void nothingIsGatheredWithoutARecording() {
        assertNull(Flight.opening());
        assertNull(Flight.loading());
        assertNull(Flight.saving());
    }
}
