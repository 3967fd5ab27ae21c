package io.torchferry.cli;

import java.awt.Color;
import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;

/**
 * A picture of where the bytes are: each tensor a rectangle as large as its share, those of one part beside each other,
 * the parts of the first level in one colour each. Needs no display.
 */
final class Treemap {
    static final int WIDTH = 1600;
    static final int HEIGHT = 1000;
    private static final int TITLE = 36;
    private static final int SMALLEST_LABEL = 40;
    /** What rounding may leave of an edge. */
    private static final double TINY = 1e-9;
    /** How far apart the colours of neighbours are on the colour wheel: the golden ratio never comes round. */
    private static final float HUE_STEP = 0.618034f;

    /**
     * A tensor's place in the picture, in pixels.
     *
     * @param group number of its part of the first level
     */
    record Cell(TensorTree part, String key, int group, double x, double y, double width, double height) {}

    private record Area(double x, double y, double width, double height) {}

    private final List<Cell> cells = new ArrayList<>();

    private Treemap() {}

    /** The places of all tensors that have bytes. */
    static List<Cell> cells(TensorTree root, double width, double height) {
        Treemap map = new Treemap();
        map.place(root, "", -1, new Area(0, 0, width, height));
        return map.cells;
    }

    /** Writes the picture. */
    static void write(TensorTree root, Path file) throws IOException {
        System.setProperty("java.awt.headless", "true");
        BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        try {
            graphics.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
            graphics.setColor(Color.WHITE);
            graphics.fillRect(0, 0, WIDTH, HEIGHT);
            draw(graphics, root);
        } finally {
            graphics.dispose();
        }
        try (var out = Files.newOutputStream(file)) {
            if (!ImageIO.write(image, "png", out)) {
                throw new IOException("this Java cannot write PNG pictures");
            }
        }
    }

    private static void draw(Graphics2D graphics, TensorTree root) {
        boolean words = canWrite(graphics);
        int top = words ? TITLE : 0;
        if (words) {
            graphics.setColor(Color.BLACK);
            graphics.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 18));
            graphics.drawString(root.name() + ": " + Units.bytes(root.bytes()) + " in "
                    + Units.count(root.tensors(), "tensor"), 10, 25);
            graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
        }
        for (Cell cell : cells(root, WIDTH, HEIGHT - top)) {
            int x = (int) Math.round(cell.x);
            int y = (int) Math.round(cell.y) + top;
            int width = (int) Math.round(cell.x + cell.width) - x;
            int height = (int) Math.round(cell.y + cell.height) + top - y;
            graphics.setColor(Color.getHSBColor(cell.group * HUE_STEP % 1, 0.35f, 0.95f));
            graphics.fillRect(x, y, width, height);
            graphics.setColor(new Color(90, 90, 90));
            graphics.drawRect(x, y, width, height);
            if (words && width > SMALLEST_LABEL && height > 16) {
                label(graphics, cell, x, y, width, height);
            }
        }
    }

    private static void label(Graphics2D graphics, Cell cell, int x, int y, int width, int height) {
        FontMetrics metrics = graphics.getFontMetrics();
        graphics.setColor(Color.BLACK);
        String key = cell.key;
        // The end of a key tells more than its beginning, which the neighbours share.
        while (!key.isEmpty() && metrics.stringWidth(key) > width - 6) {
            key = key.substring(key.offsetByCodePoints(0, 1));
        }
        graphics.drawString(key, x + 3, y + 13);
        String bytes = Units.bytes(cell.part.bytes());
        if (height > 32 && metrics.stringWidth(bytes) <= width - 6) {
            graphics.drawString(bytes, x + 3, y + 28);
        }
    }

    /** Without fonts, as in small containers, the picture has no words. */
    private static boolean canWrite(Graphics2D graphics) {
        try {
            graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
            return graphics.getFontMetrics().stringWidth("x") > 0;
        } catch (RuntimeException | LinkageError | InternalError noFonts) {
            return false;
        }
    }

    private void place(TensorTree part, String key, int group, Area area) {
        List<TensorTree> parts = new ArrayList<>(part.children().stream().filter(p -> p.bytes() > 0).toList());
        if (parts.isEmpty()) {
            if (part.bytes() > 0) {
                cells.add(new Cell(part, key.isEmpty() ? part.name() : key, Math.max(0, group), area.x, area.y,
                        area.width, area.height));
            }
            return;
        }
        Map<TensorTree, Integer> order = new IdentityHashMap<>();
        part.children().forEach(child -> order.put(child, order.size()));
        parts.sort(Comparator.comparingLong(TensorTree::bytes).reversed());
        double scale = area.width * area.height / parts.stream().mapToLong(TensorTree::bytes).sum();
        Area left = area;
        int first = 0;
        while (first < parts.size()) {
            int end = rowEnd(parts, first, Math.max(TINY, Math.min(left.width, left.height)), scale);
            double bytes = parts.subList(first, end).stream().mapToLong(TensorTree::bytes).sum();
            boolean upright = left.width >= left.height;
            double thickness = bytes * scale / (upright ? left.height : left.width);
            double at = 0;
            for (TensorTree child : parts.subList(first, end)) {
                double length = child.bytes() * scale / thickness;
                Area place = upright ? new Area(left.x, left.y + at, thickness, length)
                        : new Area(left.x + at, left.y, length, thickness);
                at += length;
                place(child, key.isEmpty() ? child.name() : key + "." + child.name(),
                        group < 0 ? order.get(child) : group, place);
            }
            left = upright ? new Area(left.x + thickness, left.y, left.width - thickness, left.height)
                    : new Area(left.x, left.y + thickness, left.width, left.height - thickness);
            first = end;
        }
    }

    /** How many of the largest go side by side along an edge, so that they are as square as can be. */
    private static int rowEnd(List<TensorTree> parts, int first, double edge, double scale) {
        double sum = parts.get(first).bytes() * scale;
        double worst = worst(parts.get(first).bytes() * scale, parts.get(first).bytes() * scale, sum, edge);
        int end = first + 1;
        while (end < parts.size()) {
            double smallest = parts.get(end).bytes() * scale;
            double next = worst(smallest, parts.get(first).bytes() * scale, sum + smallest, edge);
            if (next > worst) {
                break;
            }
            worst = next;
            sum += smallest;
            end++;
        }
        return end;
    }

    /** The longest side over the shortest, of the worst rectangle of a row with this sum of areas. */
    private static double worst(double smallest, double largest, double sum, double edge) {
        double thickness = sum / edge;
        return Math.max(largest / (thickness * thickness), thickness * thickness / smallest);
    }
}
