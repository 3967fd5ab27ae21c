package io.torchferry.cli;

import java.io.PrintWriter;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** The command line: {@code torchferry COMMAND ...}. Exit status: see {@link ExitStatus}. */
@Command(
        name = "torchferry",
        header = "PyTorch checkpoints in the JVM: read, placed on any device, checked.",
        synopsisSubcommandLabel = "COMMAND",
        description = "%nReads what torch.save wrote, without Python and without running any code of the file.%n",
        versionProvider = VersionInfo.class,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            "0:done",
            "1:a file was refused, is corrupt or is missing; or a comparison or self-test failed",
            "2:the command line is wrong (diff: or a file was refused)",
            "3:a device that was asked for is not there"},
        footerHeading = "%nExamples:%n",
        footer = {
            "  torchferry inspect model.pth                    what is in it",
            "  torchferry load model.pth --map-location best   load it, tell where it went",
            "  torchferry load model.pth --digest --json       SHA-256 of every tensor",
            "  torchferry verify model.pth                     is a byte of it damaged?",
            "  torchferry diff before.pth after.pth            which tensors changed, by how much",
            "  torchferry convert model.pt model.safetensors   write it in another format",
            "  torchferry demo                                 a GPU's checkpoint, used here",
            "  torchferry doctor                               what is missing here",
            "%n`torchferry help COMMAND` tells more about a command."})
public final class Main implements Runnable {
    /** Every command by its name, in the order of the help. */
    private static final Map<String, Supplier<Object>> COMMANDS = commands();
    /** They tell of all the others. */
    private static final Set<String> ABOUT_ALL = Set.of("completion", "man");

    @Spec
    private CommandSpec spec;

    @Option(names = {"-h", "--help"}, usageHelp = true, scope = ScopeType.INHERIT,
            description = "Show this help and exit.")
    private boolean help;

    @Option(names = {"-V", "--version"}, versionHelp = true, description = "Print version information and exit.")
    private boolean version;

    @Option(names = "--debug", scope = ScopeType.INHERIT,
            description = "Show stack traces of errors (also: environment variable TORCHFERRY_DEBUG=1).")
    private boolean debug;

    private Main() {}

    /** Runs one command and ends the process with its exit status. */
    public static void main(String[] args) {
        System.exit(run(Terminal.out(), Terminal.err(), args));
    }

    /** Runs one command with its output going to these writers, and gives the exit status. */
    static int run(PrintWriter out, PrintWriter err, String... args) {
        CommandLine line = commandLine(args.length == 0 ? "" : args[0]);
        line.setOut(out);
        line.setErr(err);
        line.registerConverter(Path.class, Main::path);
        line.setUsageHelpAutoWidth(true);
        line.setExecutionExceptionHandler((problem, command, parsed) -> failures(command).report(null, problem));
        line.setParameterExceptionHandler(Main::usageError);
        try {
            return line.execute(withoutHelpWord(args));
        } catch (Error e) {
            return failures(line).report(null, e);
        } finally {
            out.flush();
            err.flush();
        }
    }

    private static Map<String, Supplier<Object>> commands() {
        Map<String, Supplier<Object>> commands = new LinkedHashMap<>();
        commands.put("inspect", InspectCommand::new);
        commands.put("load", LoadCommand::new);
        commands.put("convert", ConvertCommand::new);
        commands.put("verify", VerifyCommand::new);
        commands.put("diff", DiffCommand::new);
        commands.put("demo", DemoCommand::new);
        commands.put("doctor", DoctorCommand::new);
        commands.put("bench", BenchCommand::new);
        commands.put("completion", CompletionCommand::new);
        commands.put("man", ManCommand::new);
        return commands;
    }

    /** With the command that the first word names alone, and with all of them where that is not one that works alone. */
    private static CommandLine commandLine(String first) {
        CommandLine line = new CommandLine(new Main());
        boolean alone = COMMANDS.containsKey(first) && !ABOUT_ALL.contains(first);
        COMMANDS.forEach((name, command) -> {
            if (!alone || name.equals(first)) {
                line.addSubcommand(command.get());
            }
        });
        return line;
    }

    /** A JVM in the C locale cannot name a file whose name is not ASCII, and does not say so. */
    private static Path path(String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new TypeConversionException("'" + text + "' is not a file name that Java can use in this locale; "
                    + "LC_ALL=C.UTF-8 helps where it is not ASCII");
        }
    }

    /** {@code help} and {@code help load} are {@code --help} and {@code load --help}. */
    private static String[] withoutHelpWord(String[] args) {
        if (args.length == 0 || args.length > 2 || !args[0].equals("help")) {
            return args;
        }
        return args.length == 1 ? new String[] {"--help"} : new String[] {args[1], "--help"};
    }

    /** How a command reports what goes wrong while it works. */
    static Failures failures(CommandLine command) {
        CommandLine top = command;
        while (top.getParent() != null) {
            top = top.getParent();
        }
        boolean asked = top.getCommand() instanceof Main main && main.debug;
        return new Failures(command.getErr(), asked || debugWanted());
    }

    private static boolean debugWanted() {
        String value = System.getenv("TORCHFERRY_DEBUG");
        return value != null && !value.isEmpty() && !value.equals("0");
    }

    private static int usageError(ParameterException problem, String[] args) {
        CommandLine command = problem.getCommandLine();
        PrintWriter err = command.getErr();
        err.println("torchferry: " + Failures.oneLine(problem.getMessage()) + " (see `"
                + command.getCommandSpec().qualifiedName() + " --help`)");
        err.flush();
        return ExitStatus.USAGE;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is needed: "
                + String.join(", ", spec.subcommands().keySet()));
    }
}
