package io.torchferry.cli;

import io.torchferry.CheckpointException;
import io.torchferry.DeviceOutOfMemoryException;
import io.torchferry.DeviceUnavailableException;
import io.torchferry.IncompatibleKeysException;
import io.torchferry.NativeLibraryException;
import io.torchferry.TorchException;
import java.io.PrintWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/**
 * The one place that turns what went wrong into a line on standard error and an exit status. A stack trace is printed
 * only where {@code --debug} or {@code TORCHFERRY_DEBUG} asks for it.
 */
final class Failures {
    private static final String PREFIX = "torchferry: ";

    private final PrintWriter err;
    private final boolean debug;

    Failures(PrintWriter err, boolean debug) {
        this.err = err;
        this.debug = debug;
    }

    /** What is done with one file. */
    @FunctionalInterface
    interface FileAction {
        void accept(Path file) throws Exception;
    }

    /** Does it with every file; one that fails does not keep the others from their turn. The worst exit status. */
    int forEach(List<Path> files, FileAction action) {
        int status = ExitStatus.DONE;
        for (Path file : files) {
            try {
                action.accept(file);
            } catch (Exception | OutOfMemoryError | LinkageError e) {
                status = Math.max(status, report(file.toString(), e));
            }
        }
        return status;
    }

    /** Prints the line and gives the exit status. {@code file} may be null where none is concerned. */
    int report(String file, Throwable problem) {
        err.println(PREFIX + oneLine(message(file, problem)));
        if (debug) {
            problem.printStackTrace(err);
        }
        err.flush();
        return problem instanceof DeviceUnavailableException ? ExitStatus.NO_DEVICE
                : problem instanceof UsageException ? ExitStatus.USAGE : ExitStatus.REFUSED;
    }

    /** A mistake in the arguments that only shows once the work has begun. */
    static final class UsageException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        UsageException(String message) {
            super(message);
        }
    }

    /** What a check found wrong with a file; the message names it. */
    static final class Finding extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Finding(String message) {
            super(message);
        }
    }

    private static String message(String file, Throwable problem) {
        String place = file == null ? "" : file + ": ";
        String text = problem.getMessage() == null ? problem.getClass().getSimpleName() : problem.getMessage();
        if (problem instanceof CheckpointException e) {
            return file == null || !e.file().isEmpty() && text.startsWith(e.file()) ? text : place + text;
        }
        if (problem instanceof Finding) {
            return text;
        }
        if (problem instanceof NativeLibraryException) {
            return place + text + " (`torchferry doctor` tells more)";
        }
        if (problem instanceof NoSuchFileException) {
            return text + ": No such file or directory";
        }
        if (problem instanceof AccessDeniedException) {
            return text + ": Permission denied";
        }
        if (problem instanceof OutOfMemoryError) {
            return place + "out of memory: " + text + " (a larger Java heap: JAVA_TOOL_OPTIONS=-Xmx2g)";
        }
        boolean spoken = problem instanceof IncompatibleKeysException || problem instanceof TorchException
                || problem instanceof UsageException || problem instanceof DeviceOutOfMemoryException
                || problem instanceof DeviceUnavailableException
                || problem instanceof java.io.IOException
                || problem instanceof IllegalArgumentException || problem instanceof UnsupportedOperationException;
        return place + (spoken ? text
                : "unexpected " + problem.getClass().getName() + ": " + text + " (--debug shows where)");
    }

    /** PyTorch's messages have several lines; an error of the command line has one, free of control characters. */
    static String oneLine(String text) {
        String joined = text.strip().replaceAll("([.:,;!?])\\s*[\\r\\n]\\s*", "$1 ")
                .replaceAll("\\s*[\\r\\n]\\s*", "; ");
        return Terminal.printable(joined.replace('\t', ' '));
    }
}
