package io.torchferry;

import java.util.List;
import java.util.Objects;

/**
 * What {@code load_state_dict} would do, found out without doing it: see {@link ScriptModule#checkStateDict}.
 *
 * @param keys names that only one side has, whether or not the load is strict
 * @param errors PyTorch's texts for what fails even when it is not strict: sizes that differ, tensors that cannot be
 *     copied or assigned
 * @param warnings PyTorch's warnings, such as for weights that a module on the meta device would not take
 * @param message the text of the {@link IncompatibleKeysException} that the load would throw; empty when it would
 *     succeed
 */
public record LoadStateReport(IncompatibleKeys keys, List<String> errors, List<String> warnings, String message) {

    /** Copies the lists. */
    public LoadStateReport {
        Objects.requireNonNull(keys, "keys");
        errors = List.copyOf(errors);
        warnings = List.copyOf(warnings);
        Objects.requireNonNull(message, "message");
    }

    /** Whether the load would succeed. */
    public boolean isLoadable() {
        return message.isEmpty();
    }

    /** Reads what {@code packed_report} of {@code native/jni/torch} writes. */
    static LoadStateReport read(byte[] packed) {
        PackReader in = new PackReader(packed);
        IncompatibleKeys keys = new IncompatibleKeys(in.strings(), in.strings());
        return new LoadStateReport(keys, in.strings(), in.strings(), in.string());
    }
}
