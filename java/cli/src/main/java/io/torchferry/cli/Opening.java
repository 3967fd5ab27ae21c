package io.torchferry.cli;

import io.torchferry.Limits;
import io.torchferry.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The options of every command that opens checkpoints. */
final class Opening {
    @Spec(Target.MIXEE)
    private CommandSpec spec;

    private OpenOptions options = OpenOptions.DEFAULT;

    @Option(names = "--weights-only",
            description = "Refuse files that torch.load(weights_only=True) would refuse, naming the global.")
    private void setWeightsOnly(boolean on) {
        options = options.withWeightsOnly(on);
    }

    @Option(names = "--save", paramLabel = "N",
            description = "Read this save, from 0, of a legacy file that holds several one after the other.")
    private void setSave(long index) {
        if (index < 0) {
            throw new ParameterException(spec.commandLine(), "--save must not be negative: " + index);
        }
        options = options.withSaveIndex(index);
    }

    @Option(names = "--limit", paramLabel = "NAME=N", arity = "1",
            description = "Change a limit by the name that errors give it, for example pickle_bytes=4GiB (repeatable).")
    private void setLimits(String[] limits) {
        Limits changed = Limits.DEFAULT;
        for (String limit : limits) {
            changed = changed(changed, limit);
        }
        options = options.withLimits(changed);
    }

    private Limits changed(Limits limits, String text) {
        int equals = text.indexOf('=');
        try {
            String number = text.substring(equals + 1);
            long value = number.equals("0") ? 0 : Units.parseBytes(number);
            return limits.with(text.substring(0, Math.max(equals, 0)), value);
        } catch (IllegalArgumentException e) {
            String reason = equals <= 0 ? "write NAME=N, for example pickle_bytes=4GiB" : e.getMessage();
            throw new ParameterException(spec.commandLine(), "--limit " + text + ": " + reason);
        }
    }

    /** As the command line has them. */
    OpenOptions options() {
        return options;
    }
}
