package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Opens and loads a file that is to be refused, or borne, and checks the error. */
final class BadFileCheck {
    /** What the attacks in the files would leave in the working directory. */
    private static final Path ATTACKED = Path.of("torchferry_was_attacked");

    private final InteropCases.Bad bad;

    private BadFileCheck(InteropCases.Bad bad) {
        this.bad = bad;
    }

    static void check(InteropCases.Bad bad) throws IOException {
        new BadFileCheck(bad).run();
        assertFalse(Files.exists(ATTACKED), "code of the file was run");
    }

    private void run() throws IOException {
        CheckpointException refused = refusal(() -> open(OpenOptions.DEFAULT));
        String answer = kind(refused);
        assertTrue(bad.accept().contains(answer),
                () -> "expected " + bad.accept() + ", found " + answer + ": " + refused);
        if (bad.says() != null) {
            assertTrue(refused.getMessage().contains(bad.says()), refused::getMessage);
        }
        if (refused != null) {
            place(refused);
        } else {
            borne();
        }
        if (bad.weightsOnly() != null) {
            CheckpointException unsafe = refusal(() -> open(OpenOptions.DEFAULT.withWeightsOnly(true)));
            assertEquals(bad.weightsOnly(), kind(unsafe), () -> "weights only: " + unsafe);
            assertTrue(bad.globals().stream().anyMatch(
                    name -> unsafe.getMessage().contains(shown(name.replaceFirst("^builtins\\.", "")))),
                    unsafe.getMessage());
        }
    }

    /** As messages show a name of the file: a carriage return would let it pretend to be another line. */
    private static String shown(String name) {
        return name.replace("\r", "\\x0d");
    }

    /** The file opens: then it must load, or be refused while it is read where it says so. */
    private void borne() throws IOException {
        if (bad.globals() != null) {
            try (Checkpoint file = Checkpoint.open(bad.file())) {
                assertTrue(file.opaqueGlobals().containsAll(bad.globals()), () -> "globals: " + file.opaqueGlobals());
            }
        }
        if (bad.indexOnly()) {
            return;
        }
        for (boolean mmap : new boolean[] {true, false}) {
            LoadOptions options = LoadOptions.defaults().mapLocation(Device.cpu()).mmap(mmap);
            CheckpointException unread = refusal(() -> load(bad.file(), options));
            if (bad.read() != null) {
                assertTrue(bad.read().contains(kind(unread)),
                        () -> "expected " + bad.read() + " when it is read, found " + kind(unread) + ": " + unread);
                place(unread);
            } else {
                assertNull(unread, "the file is sound enough to be loaded");
            }
        }
        if (bad.verify() != null) {
            CheckpointException wrong = refusal(
                    () -> load(bad.file(), LoadOptions.defaults().mapLocation(Device.cpu()).verifyChecksums(true)));
            assertEquals(bad.verify(), kind(wrong), () -> "with checksums verified: " + wrong);
            place(wrong);
        }
    }

    private void open(OpenOptions options) throws IOException {
        try (Checkpoint file = Checkpoint.open(bad.file(), options)) {
            assertNotNull(file.tensors());
            assertNotNull(file.root().toString());
        }
    }

    /** Loads everything and touches every element, with libtorch and without. */
    static void load(Path path, LoadOptions options) throws IOException {
        try (Checkpoint file = Checkpoint.open(path, options.openOptions())) {
            try (StateDict dict = file.stateDict(options)) {
                dict.values().forEach(tensor -> tensor.digest("SHA-256"));
            }
            for (TensorInfo tensor : file.tensors()) {
                if (tensor.layout() == Layout.STRIDED && tensor.unsupportedReason().isEmpty()) {
                    file.digest(tensor, "SHA-256");
                }
            }
        }
    }

    private interface Attempt {
        void run() throws IOException;
    }

    /** What reading the file ended with, or null; anything but a typed refusal is a failure. */
    private static CheckpointException refusal(Attempt attempt) throws IOException {
        try {
            attempt.run();
            return null;
        } catch (CheckpointException e) {
            return e;
        } catch (java.io.UncheckedIOException e) {
            if (e.getCause() instanceof CheckpointException refused) {
                return refused;
            }
            throw e;
        }
    }

    /** The README's word for an exception. */
    static String kind(CheckpointException refused) {
        if (refused == null) {
            return "fine";
        }
        return refused instanceof CorruptCheckpointException ? "corrupt"
                : refused instanceof UnsafeCheckpointException ? "unsafe"
                : refused instanceof UnsupportedCheckpointException ? "unsupported"
                : refused instanceof LimitExceededException ? "limit"
                : refused.getClass() == CheckpointException.class ? "io" : refused.getClass().getName();
    }

    /** The error names the file, and the record where the case does; an error in a pickle has its byte. */
    private void place(CheckpointException refused) {
        assertEquals(bad.file().toString(), refused.file(), () -> "file of " + refused);
        assertTrue(refused.getMessage().startsWith(bad.file().toString()), refused::getMessage);
        if (bad.record() != null) {
            assertEquals(bad.record(), refused.record(), () -> "record of " + refused);
            assertTrue(refused.offset().isPresent(), () -> "no byte offset: " + refused);
        }
    }
}
