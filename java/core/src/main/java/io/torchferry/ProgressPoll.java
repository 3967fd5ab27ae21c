package io.torchferry;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The thread that tells a listener how far a load or save has come; native code never calls Java. */
final class ProgressPoll implements AutoCloseable {
    private static final long PERIOD_MILLIS = 100;

    private final Progress progress;
    private final ProgressListener listener;
    private final CountDownLatch ended = new CountDownLatch(1);
    private final Thread thread;

    private ProgressPoll(Progress progress, ProgressListener listener) {
        this.progress = progress;
        this.listener = listener;
        this.thread = new Thread(this::poll, "torchferry-progress");
        thread.setDaemon(true);
    }

    /** @param listener null: nothing happens */
    static ProgressPoll start(Progress progress, ProgressListener listener) {
        ProgressPoll poll = new ProgressPoll(progress, listener);
        if (listener != null) {
            poll.thread.start();
        }
        return poll;
    }

    private void poll() {
        try {
            while (!ended.await(PERIOD_MILLIS, TimeUnit.MILLISECONDS)) {
                listener.progress(progress.done(), progress.total());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            System.getLogger("io.torchferry").log(System.Logger.Level.WARNING, "a ProgressListener failed", e);
        }
    }

    /** The work ended well: the listener hears it once more, on the working thread. */
    void finished() {
        stop();
        if (listener != null) {
            listener.progress(progress.total(), progress.total());
        }
    }

    @Override
    public void close() {
        stop();
    }

    private void stop() {
        ended.countDown();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
