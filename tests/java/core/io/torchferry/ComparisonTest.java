package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checking a file's sums, comparing two files, and finding a file's models. */
class ComparisonTest {
    @TempDir
    Path folder;

    private Path saved(String name, float... values) throws IOException {
        Path path = folder.resolve(name);
        try (Tensor tensor = Tensor.of(values, values.length); StateDict dict = StateDict.of(Map.of("w", tensor))) {
            dict.save(path);
        }
        return path;
    }

    @Test
    void everySumOfASoundFileMatches() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("training.pt"))) {
            List<Long> seen = new ArrayList<>();
            Verification checked = file.verify(null, (done, total) -> seen.add(done));
            assertTrue(checked.isSound());
            assertEquals(checked.parts(), checked.parts(Verification.Result.MATCHES));
            assertTrue(checked.parts().stream().anyMatch(part -> part.name().endsWith("/data.pkl")));
            long bytes = checked.parts().stream().mapToLong(Verification.Part::bytes).sum();
            assertEquals(bytes, seen.get(seen.size() - 1));
        }
    }

    @Test
    void damageIsReported() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("flipped_payload.pt"))) {
            Verification checked = file.verify();
            assertFalse(checked.isSound());
            Verification.Part damaged = checked.parts(Verification.Result.DAMAGED).get(0);
            assertEquals("archive/data/0", damaged.name());
            assertTrue(damaged.problem().contains("CRC-32"), damaged.problem());
            Progress stopped = new Progress();
            stopped.cancel();
            assertThrows(CancellationException.class, () -> file.verify(stopped, null));
        }
    }

    @Test
    void aFileIsEqualToItself() throws IOException {
        Path path = Fixtures.file("training.pt");
        try (Checkpoint file = Checkpoint.open(path); Checkpoint again = Checkpoint.open(Files.readAllBytes(path))) {
            for (int i = 0; i < file.tensors().size(); i++) {
                TensorInfo tensor = file.tensors().get(i);
                TensorInfo other = again.tensors().get(i);
                assertTrue(file.isComparable(tensor, again, other));
                TensorDifference found = file.compare(tensor, again, other, 0, 0);
                assertTrue(found.bitsEqual() && found.isEqual() && found.isClose(), tensor + " " + found);
                assertEquals(tensor.numel(), found.elements());
                assertTrue(file.compare(tensor, file, tensor, 0, 0).isEqual());
            }
        }
    }

    @Test
    void differencesAreMeasured() throws IOException {
        try (Checkpoint a = Checkpoint.open(saved("a.pt", 1, 2, Float.NaN, 4));
                Checkpoint b = Checkpoint.open(saved("b.pt", 1, 2.5f, Float.NaN, 4));
                Checkpoint c = Checkpoint.open(saved("c.pt", 1, 2))) {
            TensorInfo ours = a.tensors().get(0);
            TensorInfo theirs = b.tensors().get(0);
            TensorDifference found = a.compare(ours, b, theirs, 0, 0);
            assertEquals(new TensorDifference(4, 1, 1, 1, 1, 0.5, 0.2, 1, false, true), found);
            assertFalse(found.isEqual() || found.isClose());
            assertTrue(a.compare(ours, b, theirs, 0.2, 0).isClose());
            assertFalse(a.compare(ours, b, theirs, 0, 0.4).isClose());
            assertTrue(a.compare(ours, b, theirs, 0, 0.5).isClose());
            assertFalse(a.isComparable(ours, c, c.tensors().get(0)));
            assertThrows(IllegalArgumentException.class, () -> a.compare(ours, c, c.tensors().get(0), 0, 0));
            assertThrows(IllegalArgumentException.class, () -> a.compare(theirs, b, ours, 0, 0), "of each other");
        }
    }

    @Test
    void modelsAreFoundAndNamedWhereAPathIsWrong() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("training.pt"))) {
            List<StateDictPlace> places = file.stateDictPlaces();
            StateDictPlace model = places.stream().filter(p -> p.path().equals(List.of("model"))).findFirst().get();
            assertEquals(file.tensors("model").size(), model.tensors());
            assertEquals("model (" + model.tensors() + " tensors)", model.toString());
            assertEquals(file.tensors("model"), file.tensors(model.steps()));
            assertTrue(places.stream().noneMatch(p -> p.path().get(0).contains("optim")), places.toString());
            String message = assertThrows(IllegalArgumentException.class, () -> file.tensors("modle")).getMessage();
            assertTrue(message.contains("no 'modle' at the top of the content; there is: "), message);
            assertTrue(message.contains("; tensors are under 'model' (" + model.tensors() + ")"), message);
        }
        try (Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
            assertEquals(List.of(new StateDictPlace(List.of(), 1)), file.stateDictPlaces());
        }
    }
}
