package io.torchferry.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code torchferry man}: the manual page. */
@Command(
        name = "man",
        header = "Print the manual page, of all commands, as man(1) reads it.",
        description = {"%nTo read it:     torchferry man | man -l -",
            "To install it:  torchferry man > /usr/local/share/man/man1/torchferry.1%n"})
final class ManCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        spec.commandLine().getOut().print(ManPage.of(spec.root()));
        return ExitStatus.DONE;
    }
}
