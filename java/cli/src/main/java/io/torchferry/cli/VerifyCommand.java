package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.OpenOptions;
import io.torchferry.Verification;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code torchferry verify}: every byte of a file against the sums recorded in it. Needs no libtorch. */
@Command(
        name = "verify",
        header = "Check files: their structure, and every byte against the recorded checksums.",
        description = {
            "%nOpening a file checks its structure: records, pickle, sizes and ranges of every tensor. Then every "
                    + "byte is read and compared with the CRC-32 that torch.save recorded, which PyTorch itself never "
                    + "looks at. safetensors and legacy files hold no sums: there it shows that all bytes can be "
                    + "read, and says so. No libtorch is loaded.%n"},
        footer = {
            "%nExit status: 0 nothing is damaged, 1 a file is damaged or was refused.",
            "%nWith --json, one object a line and file:",
            "  {\"file\", \"format\", \"size\", \"sound\", \"bytes_checked\", \"time_ns\",",
            "   \"parts\": [{\"name\", \"nbytes\", \"result\": \"matches\"|\"unrecorded\"|\"damaged\",",
            "              \"problem\" (when damaged)}]}"})
final class VerifyCommand implements Callable<Integer> {
    private static final int MOST_SHOWN = 20;

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "FILE", arity = "1..*", description = "Checkpoints to check.")
    private List<Path> files;

    @Mixin
    private Opening opening;

    @Option(names = "--json", description = "Print one JSON object a line instead of text.")
    private boolean json;

    @Option(names = "--all", description = "List every part, not only those with something to say (text output).")
    private boolean all;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        OpenOptions options = opening.options().withVerifyChecksums(true);
        return Main.failures(spec.commandLine()).forEach(files, file -> {
            try (Checkpoint checkpoint = Checkpoint.open(file, options)) {
                long start = System.nanoTime();
                Verification checked = verified(file, checkpoint);
                long nanos = System.nanoTime() - start;
                if (json) {
                    out.println(json(file, checkpoint, checked, nanos));
                } else {
                    print(out, file, checkpoint, checked, nanos);
                }
                requireSound(file, checked);
            }
        });
    }

    private Verification verified(Path file, Checkpoint checkpoint) throws IOException {
        try (ProgressBar bar = new ProgressBar(spec.commandLine().getErr(), "checking " + file.getFileName(),
                Terminal.errIsInteractive())) {
            return checkpoint.verify(null, Terminal.errIsInteractive() ? bar::update : null);
        }
    }

    private static void requireSound(Path file, Verification checked) {
        List<Verification.Part> damaged = checked.parts(Verification.Result.DAMAGED);
        if (!damaged.isEmpty()) {
            String more = damaged.size() == 1 ? "" : " (and " + (damaged.size() - 1) + " more)";
            throw new Failures.Finding(file + ": record " + damaged.get(0).name() + ": " + damaged.get(0).problem()
                    + more);
        }
    }

    private static long bytes(List<Verification.Part> parts) {
        return parts.stream().mapToLong(Verification.Part::bytes).sum();
    }

    private static String json(Path file, Checkpoint checkpoint, Verification checked, long nanos) {
        JsonWriter json = new JsonWriter().beginObject();
        json.field("file", file.toString()).field("format", checkpoint.format().toString());
        json.field("size", checkpoint.size()).field("sound", checked.isSound());
        json.field("bytes_checked", bytes(checked.parts())).field("time_ns", nanos);
        json.name("parts").beginArray();
        for (Verification.Part part : checked.parts()) {
            json.beginObject().field("name", part.name()).field("nbytes", part.bytes());
            json.field("result", part.result().name().toLowerCase(Locale.ROOT));
            if (!part.problem().isEmpty()) {
                json.field("problem", part.problem());
            }
            json.endObject();
        }
        return json.endArray().endObject().toString();
    }

    private void print(PrintWriter out, Path file, Checkpoint checkpoint, Verification checked, long nanos) {
        List<Verification.Part> matching = checked.parts(Verification.Result.MATCHES);
        List<Verification.Part> unrecorded = checked.parts(Verification.Result.UNRECORDED);
        List<Verification.Part> damaged = checked.parts(Verification.Result.DAMAGED);
        long bytes = bytes(checked.parts());
        out.println(Terminal.printable(file + ": " + checkpoint.format() + ", " + Units.bytes(checkpoint.size())
                + ", " + Units.count(checkpoint.tensors().size(), "tensor")));
        out.println("  structure  " + Terminal.verdict(true, "sound"));
        out.println("  checksums  " + parts(matching) + " match their recorded sum");
        if (!unrecorded.isEmpty()) {
            out.println("             " + parts(unrecorded) + " read, with no sum recorded to compare with"
                    + (matching.isEmpty() && damaged.isEmpty() ? ": this file holds none" : ""));
        }
        if (!damaged.isEmpty()) {
            out.println("             " + parts(damaged) + " " + Terminal.verdict(false, "DAMAGED"));
        }
        out.println("  time       " + Units.nanos(nanos) + ", " + Units.bytes((long) (bytes / (nanos / 1e9))) + "/s");
        list(out, "damaged", damaged);
        list(out, "no sum", all || !matching.isEmpty() ? unrecorded : List.of());
        list(out, "match", all ? matching : List.of());
        out.println();
    }

    private static String parts(List<Verification.Part> parts) {
        return Units.count(parts.size(), "record") + " (" + Units.bytes(bytes(parts)) + ")";
    }

    private void list(PrintWriter out, String label, List<Verification.Part> parts) {
        int shown = all ? parts.size() : Math.min(parts.size(), MOST_SHOWN);
        for (Verification.Part part : parts.subList(0, shown)) {
            String problem = part.problem().isEmpty() ? "" : ": " + part.problem();
            out.println(String.format(Locale.ROOT, "  %-9s  ", label)
                    + Terminal.printable(part.name() + " (" + Units.bytes(part.bytes()) + ")" + problem));
        }
        if (parts.size() > shown) {
            out.println("             ... and " + (parts.size() - shown) + " more (--all)");
        }
    }
}
