package io.torchferry.cli;

import io.torchferry.DType;
import io.torchferry.DeviceMemory;
import io.torchferry.Keys;
import io.torchferry.LoadOptions;
import io.torchferry.Prefetch;
import io.torchferry.StateDict;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.UnaryOperator;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code torchferry load}: torch.load, with what it did and how long it took. */
@Command(
        name = "load",
        header = "Load a checkpoint's tensors onto a device; tell where they went and how long it took.",
        description = {
            "%nWhat torch.load(FILE, map_location=SPEC) does for tensors. SPEC is one of",
            "  cpu, cuda:1, ...           everything goes there",
            "  best                       the first accelerator that is there, else the CPU",
            "  cuda:1=cuda:0,cuda:0=cpu   saved location=device; others stay as saved",
            "Without --map-location tensors go where they were saved, as in torch.load; a device that is not there is "
                    + "exit status 3.%n"},
        footer = {
            "%nWith --json, one object a line and file:",
            "  {\"file\", \"format\", \"locations\": [..],",
            "   \"tensors\": [{\"key\", \"dtype\", \"shape\", \"stride\", \"location\" (as saved),",
            "                \"device\", \"nbytes\", \"sha256\" (with --digest)}],",
            "   \"skipped\": [..], \"bytes_by_device\": {..}, \"time_ns\": {..}, ...}",
            "A digest is SHA-256 over the elements in row-major order, little-endian:",
            "the integers of quantized, the dense form of sparse tensors. A file that is",
            "one bare tensor has the key \"\"."})
final class LoadCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "FILE", arity = "1..*",
            description = "Checkpoints to load, one after the other: files, indexes of shards, directories.")
    private List<Path> files;

    @Option(names = "--map-location", paramLabel = "SPEC", converter = MapLocationSpec.Converter.class,
            description = "Where tensors go (default: as saved).")
    private MapLocationSpec mapLocation = MapLocationSpec.AS_SAVED;

    @Option(names = "--key", paramLabel = "PATH",
            description = "Load only what is below this place of the content, for example model or optimizer.state.0.")
    private String key;

    @Option(names = "--strip-prefix", paramLabel = "P",
            description = "Take this off the names that start with it, for example module.")
    private String prefix;

    @Option(names = "--filter", paramLabel = "GLOB", arity = "1",
            description = "Load only tensors whose name matches, for example 'layer1.*' or '*.bias' (repeatable; names "
                    + "as below --key, before they are changed). No byte of the others is read.")
    private List<String> filters = List.of();

    @Option(names = "--rename", paramLabel = "REGEX=TEXT", arity = "1", converter = RenameRule.Converter.class,
            description = "Replace what the regular expression matches in names; $1 is its first group (repeatable, one "
                    + "after the other, after --strip-prefix). For example '^backbone\\.=encoder.'.")
    private List<RenameRule> renames = List.of();

    @Option(names = "--digest", description = "Compute SHA-256 of every tensor's elements.")
    private boolean digest;

    @Option(names = "--no-mmap",
            description = "Read every byte into memory at once instead of mapping the file.")
    private boolean noMmap;

    @Option(names = "--mmap-network-files",
            description = "Map files of network file systems, too, which are read otherwise.")
    private boolean mmapNetworkFiles;

    @Option(names = "--prefetch", paramLabel = "HOW", defaultValue = "none", converter = PrefetchConverter.class,
            description = "What happens to mapped pages before the load ends: none (default: each is read when it is "
                    + "first used), read-ahead (the system is asked to read them soon), populate (they are in memory).")
    private Prefetch prefetch;

    @Option(names = "--cast", paramLabel = "DTYPE", converter = DTypeConverter.class,
            description = "Convert floating point tensors, for example to float16 or bfloat16.")
    private DType cast;

    @Option(names = "--verify", description = "Check the file's checksums, which reads every byte.")
    private boolean verify;

    @Option(names = "--threads", paramLabel = "N", defaultValue = "0",
            description = "Threads that read (default: as many as there are processors, at most 8).")
    private int threads;

    @Option(names = "--own-allocations",
            description = "Give every storage that is not mapped an allocation of its own, instead of one for all of a "
                    + "device.")
    private boolean ownAllocations;

    @Mixin
    private Opening opening;

    @Option(names = "--json", description = "Print one JSON object a line instead of text.")
    private boolean json;

    @Option(names = "--all", description = "List every tensor, not only totals (text output).")
    private boolean all;

    @Override
    public Integer call() {
        if (threads < 0) {
            throw new ParameterException(spec.commandLine(), "--threads must not be negative: " + threads);
        }
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        LoadOptions options = LoadOptions.defaults().mmap(!noMmap).verifyChecksums(verify).threads(threads)
                .mmapNetworkFiles(mmapNetworkFiles).prefetch(prefetch)
                .deviceMemory(ownAllocations ? DeviceMemory.PER_STORAGE : DeviceMemory.SLAB);
        LoadOptions converted = cast == null ? options : options.cast(cast);
        LoadOptions chosen = filters.isEmpty() ? converted
                : converted.filter(Keys.glob(filters.toArray(String[]::new)));
        UnaryOperator<StateDict> naming = dict -> RenameRule.apply(dict, prefix, renames);
        return Main.failures(spec.commandLine()).forEach(files, file -> {
            try (LoadRun run = LoadRun.of(file, opening.options(), mapLocation, chosen, key, naming, digest, err)) {
                if (json) {
                    out.println(run.json());
                } else {
                    run.print(out, all);
                }
            }
        });
    }

    /** For picocli. */
    static final class PrefetchConverter implements ITypeConverter<Prefetch> {
        @Override
        public Prefetch convert(String text) {
            return switch (text) {
                case "none" -> Prefetch.NONE;
                case "read-ahead" -> Prefetch.READ_AHEAD;
                case "populate" -> Prefetch.POPULATE;
                default -> throw new TypeConversionException("there are none, read-ahead and populate, not " + text);
            };
        }
    }

    /** For picocli. */
    static final class DTypeConverter implements ITypeConverter<DType> {
        @Override
        public DType convert(String text) {
            try {
                return DType.parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
