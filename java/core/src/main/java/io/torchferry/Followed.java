package io.torchferry;

import java.io.IOException;

/** Native work that counts its bytes, and whoever watches it. */
final class Followed {

    private Followed() {
    }

    /** Work that counts in a native progress; 0: nobody watches. */
    @FunctionalInterface
    interface Work<R> {
        R with(long progress) throws IOException;
    }

    /** Does the work; either watcher may be null. */
    static <R> R run(Progress progress, ProgressListener listener, Work<R> work) throws IOException {
        if (progress == null && listener == null) {
            return work.with(0);
        }
        Progress followed = progress == null ? new Progress() : progress;
        long handle = followed.begin();
        try (ProgressPoll poll = ProgressPoll.start(followed, listener)) {
            R result = work.with(handle);
            poll.finished();
            return result;
        } finally {
            followed.end();
        }
    }
}
