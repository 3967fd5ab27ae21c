package io.torchferry.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code torchferry completion}: the script that teaches a shell this program's commands and options. */
@Command(
        name = "completion",
        header = "Print the script that lets bash or zsh complete commands, options and file names.",
        description = {"%nIn the current shell:  source <(torchferry completion)",
            "For every new one:     torchferry completion > /etc/bash_completion.d/torchferry%n"})
final class CompletionCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        spec.commandLine().getOut().print(AutoComplete.bash("torchferry", spec.root().commandLine()));
        return ExitStatus.DONE;
    }
}
