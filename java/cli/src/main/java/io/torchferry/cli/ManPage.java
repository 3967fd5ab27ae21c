package io.torchferry.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** The manual page of a command line, in the macros of man(7), made of what picocli knows of it. */
final class ManPage {
    private final StringBuilder page = new StringBuilder();

    private ManPage() {}

    static String of(CommandSpec root) {
        ManPage made = new ManPage();
        made.macro(".TH " + root.name().toUpperCase(Locale.ROOT) + " 1 \"\" \"Torchferry "
                + VersionInfo.version() + "\" \"Torchferry Manual\"");
        made.macro(".SH NAME");
        made.text(root.name() + " \\- " + escaped(plain(root.usageMessage().header())));
        made.macro(".SH SYNOPSIS");
        made.text("\\fB" + root.name() + "\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR ...] [\\fIARGUMENT\\fR ...]");
        made.macro(".SH DESCRIPTION");
        made.lines(root.usageMessage().description());
        made.options(root);
        made.macro(".SH COMMANDS");
        root.subcommands().values().forEach(command -> made.command(command.getCommandSpec()));
        made.macro(".SH EXIT STATUS");
        root.usageMessage().exitCodeList().forEach((status, meaning) -> made.item("\\fB" + status + "\\fR", meaning));
        made.macro(".SH EXAMPLES");
        made.verbatim(root.usageMessage().footer());
        return made.page.toString();
    }

    private void command(CommandSpec spec) {
        macro(".SS " + spec.qualifiedName());
        text(escaped(plain(spec.usageMessage().header())));
        macro(".PP");
        StringBuilder synopsis = new StringBuilder("\\fB" + spec.qualifiedName() + "\\fR [\\fIOPTION\\fR ...]");
        for (PositionalParamSpec parameter : spec.positionalParameters()) {
            boolean several = parameter.arity().max() > 1;
            synopsis.append(" \\fI").append(escaped(parameter.paramLabel())).append("\\fR").append(several ? " ..." : "");
        }
        text(synopsis.toString());
        macro(".PP");
        lines(spec.usageMessage().description());
        for (PositionalParamSpec parameter : spec.positionalParameters()) {
            item("\\fI" + escaped(parameter.paramLabel()) + "\\fR", plain(parameter.description()));
        }
        options(spec);
        verbatim(spec.usageMessage().footer());
    }

    private void options(CommandSpec spec) {
        for (OptionSpec option : spec.options()) {
            if (option.hidden() || option.inherited()) {
                continue;
            }
            List<String> names = new ArrayList<>();
            for (String name : option.names()) {
                names.add("\\fB" + escaped(name) + "\\fR");
            }
            String value = option.arity().max() == 0 ? ""
                    : option.arity().min() == 0 ? "[=\\fI" + escaped(option.paramLabel()) + "\\fR]"
                    : "=\\fI" + escaped(option.paramLabel()) + "\\fR";
            item(String.join(", ", names) + value, plain(option.description()));
        }
    }

    private void item(String term, String meaning) {
        macro(".TP");
        text(term);
        text(escaped(meaning));
    }

    private void lines(String[] lines) {
        String all = plain(lines);
        if (!all.isEmpty()) {
            text(escaped(all));
        }
    }

    private void verbatim(String[] lines) {
        if (lines.length == 0) {
            return;
        }
        macro(".PP");
        macro(".nf");
        for (String line : Ansi.OFF.string(String.format(String.join("%n", lines))).split("\\R")) {
            if (!line.isBlank()) {
                text(escaped(line));
            }
        }
        macro(".fi");
    }

    /** Text of a picocli annotation as one paragraph. */
    private static String plain(String[] lines) {
        return lines.length == 0 ? ""
                : Ansi.OFF.string(String.format(String.join(" ", lines))).replaceAll("\\s+", " ").strip();
    }

    private void macro(String line) {
        page.append(line).append('\n');
    }

    /** A line of text, which must not look like a macro. */
    private void text(String line) {
        page.append(line.startsWith(".") || line.startsWith("'") ? "\\&" : "").append(line).append('\n');
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\(rs").replace("-", "\\-");
    }
}
