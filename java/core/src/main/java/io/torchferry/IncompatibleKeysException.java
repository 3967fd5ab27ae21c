package io.torchferry;

/**
 * {@code load_state_dict} found missing, unexpected or mismatching entries. The message is PyTorch's, word for word.
 * The module is as it was before the call.
 */
public final class IncompatibleKeysException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient IncompatibleKeys keys;

    IncompatibleKeysException(String message, IncompatibleKeys keys) {
        super(message);
        this.keys = keys;
    }

    /** The missing and unexpected keys; both lists can be empty, when only shapes differ. */
    public IncompatibleKeys keys() {
        return keys == null ? new IncompatibleKeys(java.util.List.of(), java.util.List.of()) : keys;
    }
}
