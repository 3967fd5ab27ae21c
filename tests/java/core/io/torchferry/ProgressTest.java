package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;

class ProgressTest {
    private static final Path FILE = Fixtures.file("views.pt");

    @Test
    void followsALoad() throws IOException {
        Progress progress = new Progress();
        assertEquals(0, progress.fraction());
        try (StateDict dict = Checkpoint.load(FILE, LoadOptions.defaults().mmap(false).progress(progress))) {
            assertEquals(dict.report().bytesRead(), progress.done());
            assertEquals(progress.total(), progress.done());
            assertEquals(1.0, progress.fraction());
        }
        Checkpoint.load(FILE, LoadOptions.defaults().mmap(false).progress(progress)).close();
    }

    @Test
    void listenersHearTheEnd() throws IOException {
        List<Long> heard = new ArrayList<>();
        LoadOptions options = LoadOptions.defaults().mmap(false).progress((done, total) -> {
            assertTrue(done <= total || total == 0);
            heard.add(done);
        });
        try (StateDict dict = Checkpoint.load(FILE, options)) {
            assertEquals(dict.report().bytesRead(), heard.get(heard.size() - 1));
        }
    }

    @Test
    void whatTheListenerThrowsAtTheEndEndsTheLoad() throws IOException {
        LoadOptions options = LoadOptions.defaults().progress((done, total) -> {
            throw new ArithmeticException();
        });
        assertThrows(ArithmeticException.class, () -> Checkpoint.load(FILE, options));
        assertFalse(Fixtures.maps().contains("views.pt"));
    }

    @Test
    void cancelledLoadsLeaveNothingBehind() throws IOException {
        Progress progress = new Progress();
        progress.cancel();
        assertTrue(progress.isCancelled());
        LoadOptions options = LoadOptions.defaults().mmap(false).progress(progress);
        assertThrows(CancellationException.class, () -> Checkpoint.load(FILE, options));
        assertThrows(CancellationException.class, () -> Checkpoint.load(FILE, options));
        assertFalse(Fixtures.maps().contains("views.pt"));
    }

    @Test
    void oneLoadAtATime() {
        Progress progress = new Progress();
        NativeLoader.torch();
        progress.begin();
        assertThrows(IllegalStateException.class, progress::begin);
        progress.end();
        assertEquals(0, progress.done());
    }

    @Test
    void failedLoadsFreeTheProgress() {
        Progress progress = new Progress();
        LoadOptions options = LoadOptions.defaults().mapLocation(Device.cuda(99)).progress(progress);
        for (int i = 0; i < 2; i++) {
            assertThrows(DeviceUnavailableException.class, () -> Checkpoint.load(FILE, options));
        }
    }
}
