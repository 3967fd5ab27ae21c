package io.torchferry.cli;

import io.torchferry.DType;
import io.torchferry.Format;
import io.torchferry.LocationTags;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code torchferry convert}: one checkpoint, written anew in another format, layout or type. */
@Command(
        name = "convert",
        header = "Write a checkpoint anew: as torch.save's zip or as safetensors, whole or in shards.",
        description = {
            "%nReads IN, whatever its format, and writes OUT. OUT appears whole or not at all; it may be IN itself. "
                    + "What is written can be loaded with weights_only=True: no object of a class of its own gets "
                    + "into OUT.",
            "What OUT cannot hold is refused: numbers and text in safetensors, objects of unknown classes in a zip "
                    + "file. --key takes a part of the content, --drop leaves out what does not fit and tells what "
                    + "that was. Of a whole model the state_dict is written.%n"},
        footer = {
            "%nWith --json, one object:",
            "  {\"file\", \"format\", \"to\", \"files\": [..], \"bytes\", \"tensors\", \"tensor_bytes\",",
            "   \"dropped\": [{\"path\", \"what\"}], \"repeated\": {name left out: name kept}, \"notes\": [..],",
            "   \"time_ns\"}",
            "%nExamples:",
            "  torchferry convert training.pt model.safetensors --key model",
            "  torchferry convert model.safetensors model.pt",
            "  torchferry convert model.bin small.safetensors --dtype bfloat16 --shard-size 5GB",
            "  torchferry convert saved_on_gpu.pth saved_on_gpu.pth --location cpu"})
final class ConvertCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "IN", index = "0", description = "The checkpoint to read.")
    private Path input;

    @Parameters(paramLabel = "OUT", index = "1", description = "The file to write.")
    private Path output;

    @Option(names = "--to", paramLabel = "FORMAT", converter = FormatConverter.class,
            description = "zip or safetensors (default: by OUT's extension: .safetensors; .pt, .pth, .bin, .ckpt or "
                    + ".tar for zip).")
    private Format to;

    @Option(names = "--shard-size", paramLabel = "SIZE", converter = SizeConverter.class,
            description = "Spread tensors over files of at most this size, for example 5GB or 512MiB, with an index.")
    private Long shardSize;

    @Option(names = "--key", paramLabel = "PATH",
            description = "Take only what is below this place of the content, for example model.")
    private String key;

    @Option(names = "--strip-prefix", paramLabel = "P",
            description = "Take this off the names that start with it, for example module.")
    private String prefix;

    @Option(names = "--dtype", paramLabel = "DTYPE", converter = LoadCommand.DTypeConverter.class,
            description = "Convert floating point tensors, for example to float16 or bfloat16.")
    private DType dtype;

    @Option(names = "--location", paramLabel = "WHERE", defaultValue = "keep", converter = LocationConverter.class,
            description = "Saved locations in a zip file: keep (default) or cpu, which loads anywhere.")
    private LocationTags location;

    @Option(names = "--drop", description = "Leave out what OUT cannot hold instead of refusing it.")
    private boolean drop;

    @Mixin
    private Opening opening;

    @Option(names = "--json", description = "Print one JSON object instead of text.")
    private boolean json;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        Format format = to == null ? byExtension() : to;
        Conversion conversion = new Conversion(input, output, format);
        conversion.part(key).prefix(prefix).dtype(dtype).locations(location).drop(drop).opening(opening.options());
        if (shardSize != null) {
            conversion.maxShardBytes(shardSize);
        }
        try {
            conversion.run(err);
        } catch (Exception | OutOfMemoryError | LinkageError e) {
            return Main.failures(spec.commandLine()).report(input.toString(), e);
        }
        conversion.notes().forEach(note -> err.println("torchferry: note: " + Failures.oneLine(note)));
        if (json) {
            out.println(conversion.json());
        } else {
            out.println(Terminal.printable(conversion.summary()));
        }
        return ExitStatus.DONE;
    }

    private Format byExtension() {
        String name = output.getFileName() == null ? "" : output.getFileName().toString().toLowerCase(Locale.ROOT);
        if (name.endsWith(".safetensors")) {
            return Format.SAFETENSORS;
        }
        if (name.matches(".*\\.(pt|pth|bin|ckpt|tar)")) {
            return Format.ZIP;
        }
        throw new ParameterException(spec.commandLine(), "the name " + output
                + " does not say which format to write; add --to zip or --to safetensors");
    }

    /** For picocli. */
    static final class FormatConverter implements ITypeConverter<Format> {
        @Override
        public Format convert(String text) {
            return switch (text) {
                case "zip" -> Format.ZIP;
                case "safetensors" -> Format.SAFETENSORS;
                default -> throw new TypeConversionException("'" + text + "' is not written; zip and safetensors are");
            };
        }
    }

    /** For picocli. */
    static final class LocationConverter implements ITypeConverter<LocationTags> {
        @Override
        public LocationTags convert(String text) {
            return switch (text) {
                case "keep" -> LocationTags.DEVICE;
                case "cpu" -> LocationTags.CPU;
                default -> throw new TypeConversionException("'" + text + "' is neither keep nor cpu");
            };
        }
    }

    /** For picocli. */
    static final class SizeConverter implements ITypeConverter<Long> {
        @Override
        public Long convert(String text) {
            try {
                return Units.parseBytes(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
