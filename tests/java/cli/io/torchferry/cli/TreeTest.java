package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.torchferry.Checkpoint;
import io.torchferry.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the bytes are: {@code inspect --tree} and {@code --treemap}. */
class TreeTest {
    @TempDir
    private Path folder;

    private static TensorTree tree(Checkpoint file) throws IOException {
        return TensorTree.of("file", file.tensors());
    }

    @Test
    void sumsAreThoseOfTheStorages() throws IOException {
        try (Checkpoint file = Checkpoint.open(fixture("training.pt"))) {
            TensorTree root = tree(file);
            assertEquals(file.tensors().size(), root.tensors());
            long apart = 0;
            Set<String> seen = new HashSet<>();
            for (TensorInfo tensor : file.tensors()) {
                apart += seen.add(tensor.storageIndex() + "@" + tensor.storageOffset()) ? tensor.nbytes() : 0;
            }
            assertEquals(apart, root.bytes());
            assertEquals(root.bytes(), root.children().stream().mapToLong(TensorTree::bytes).sum());
        }
    }

    @Test
    void tiedWeightsWeighOnce() {
        String text = Cli.expect(0, "inspect", "--tree", "--all", fixture("cuda0.pt")).out();
        assertTrue(text.lines().anyMatch(line -> line.contains("0 bytes") && line.contains("  = ")), text);
        assertTrue(text.contains("100.0%"), text);
        assertTrue(text.contains("└─ "), text);
    }

    @Test
    void partsWithOneMemberShareItsLine() {
        String text = Cli.expect(0, "inspect", "--tree", "--all", fixture("training.pt")).out();
        assertTrue(text.lines().noneMatch(line -> line.endsWith("(1 tensor)")), text);
    }

    @Test
    void everyTensorHasItsAreaAndNoTwoOverlap() throws IOException {
        try (Checkpoint file = Checkpoint.open(fixture("training.pt"))) {
            TensorTree root = tree(file);
            List<Treemap.Cell> cells = Treemap.cells(root, 800, 500);
            double scale = 800.0 * 500.0 / root.bytes();
            double area = 0;
            for (Treemap.Cell cell : cells) {
                assertEquals(cell.part().bytes() * scale, cell.width() * cell.height(), 1e-3, cell.key());
                assertTrue(cell.x() >= -1e-6 && cell.y() >= -1e-6 && cell.x() + cell.width() <= 800 + 1e-6
                        && cell.y() + cell.height() <= 500 + 1e-6, cell.toString());
                area += cell.width() * cell.height();
                for (Treemap.Cell other : cells) {
                    boolean apart = cell == other || cell.x() + cell.width() <= other.x() + 1e-6
                            || other.x() + other.width() <= cell.x() + 1e-6
                            || cell.y() + cell.height() <= other.y() + 1e-6
                            || other.y() + other.height() <= cell.y() + 1e-6;
                    assertTrue(apart, cell + " " + other);
                }
            }
            assertEquals(400_000, area, 1);
            Set<String> keys = new HashSet<>();
            file.tensors().forEach(tensor -> keys.add(tensor.key()));
            cells.forEach(cell -> assertTrue(keys.contains(cell.key()), cell.key()));
        }
    }

    @Test
    void thePictureIsAPng() throws IOException {
        Path picture = folder.resolve("where.png");
        String text = Cli.expect(0, "inspect", "--treemap", picture, fixture("training.pt")).out();
        assertTrue(text.contains("treemap    " + picture), text);
        var image = ImageIO.read(picture.toFile());
        assertEquals(Treemap.WIDTH, image.getWidth());
        assertEquals(Treemap.HEIGHT, image.getHeight());
        Set<Integer> colours = new HashSet<>();
        for (int x = 5; x < Treemap.WIDTH; x += 10) {
            colours.add(image.getRGB(x, Treemap.HEIGHT / 2));
        }
        assertTrue(colours.size() > 1, "one colour only");
    }

    @Test
    void aPictureIsOfOneFile() {
        Cli run = Cli.expect(ExitStatus.USAGE, "inspect", "--treemap", folder.resolve("x.png"), fixture("training.pt"),
                fixture("golden_zip.pt"));
        assertTrue(run.err().contains("--treemap"), run.err());
        assertFalse(Files.exists(folder.resolve("x.png")));
    }

    @Test
    void aFileWithoutTensorsHasATreeToo() throws Exception {
        Path file = folder.resolve("empty.pth");
        io.torchferry.Checkpoint.save(io.torchferry.Content.dict().put("epoch", 1L), file);
        String text = Cli.expect(0, "inspect", "--tree", file).out();
        assertTrue(text.contains("(0 tensors)"), text);
    }
}
