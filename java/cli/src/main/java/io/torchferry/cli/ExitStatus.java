package io.torchferry.cli;

/** What the process's exit status says; part of the command line's contract. */
final class ExitStatus {
    static final int DONE = 0;
    /** A file was refused, is corrupt or is missing; or a comparison or self-test failed. */
    static final int REFUSED = 1;
    /** The command line itself is wrong. */
    static final int USAGE = 2;
    /** A device that the placement names is not there. */
    static final int NO_DEVICE = 3;

    private ExitStatus() {}
}
