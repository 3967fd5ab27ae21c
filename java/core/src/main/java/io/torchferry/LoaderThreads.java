package io.torchferry;

import java.time.Duration;
import java.util.concurrent.Future;
import java.util.concurrent.PriorityBlockingQueue;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The daemon threads of one {@link CheckpointLoader}, which end when they have been idle for a while, its timer, and
 * the count of loads between asking and ending.
 */
final class LoaderThreads {
    private static final long IDLE_SECONDS = 30;

    private final ThreadPoolExecutor workers;
    private final ScheduledThreadPoolExecutor timer;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition idle = lock.newCondition();
    private int inside;
    private boolean refusing;

    LoaderThreads(int count) {
        workers = new ThreadPoolExecutor(count, count, IDLE_SECONDS, TimeUnit.SECONDS, new PriorityBlockingQueue<>(),
                new Named("torchferry-loader-"));
        workers.allowCoreThreadTimeOut(true);
        timer = new ScheduledThreadPoolExecutor(1, new Named("torchferry-deadlines-"));
        timer.setKeepAliveTime(IDLE_SECONDS, TimeUnit.SECONDS);
        timer.allowCoreThreadTimeOut(true);
        timer.setRemoveOnCancelPolicy(true);
    }

    private final class Named implements ThreadFactory {
        private final String prefix;
        private final AtomicInteger number = new AtomicInteger();

        Named(String prefix) {
            this.prefix = prefix;
        }

        @Override
        public Thread newThread(Runnable work) {
            Thread thread = new Own(LoaderThreads.this, work, prefix + number.getAndIncrement());
            thread.setDaemon(true);
            return thread;
        }
    }

    /** Knows whose it is. */
    private static final class Own extends Thread {
        private final LoaderThreads owner;

        Own(LoaderThreads owner, Runnable work, String name) {
            super(null, work, name, 0, false);
            this.owner = owner;
        }
    }

    /**
     * Counts one load in.
     *
     * @throws IllegalStateException when no more are taken
     */
    void enter() {
        lock.lock();
        try {
            if (refusing) {
                throw new IllegalStateException("the CheckpointLoader is closed");
            }
            inside++;
        } finally {
            lock.unlock();
        }
    }

    /** Counts one out. */
    void leave() {
        lock.lock();
        try {
            if (--inside == 0) {
                idle.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    void refuse() {
        lock.lock();
        try {
            refusing = true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Waits until no load is inside; not on a thread of this object, which would wait for itself. An interruption ends
     * a limited wait, and is put off by an unlimited one.
     *
     * @param most null for no limit
     */
    void awaitIdle(Duration most) {
        if (Thread.currentThread() instanceof Own own && own.owner == this) {
            return;
        }
        lock.lock();
        try {
            if (most == null) {
                while (inside > 0) {
                    idle.awaitUninterruptibly();
                }
                return;
            }
            long left = most.toNanos();
            while (inside > 0 && left > 0) {
                left = idle.awaitNanos(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    void execute(LoadJob job) {
        workers.execute(job);
    }

    boolean remove(LoadJob job) {
        return workers.remove(job);
    }

    Future<?> after(Duration time, Runnable work) {
        return timer.schedule(work, time.toNanos(), TimeUnit.NANOSECONDS);
    }

    /** The threads end once they have nothing to do. */
    void shutdown() {
        workers.shutdown();
        timer.shutdownNow();
    }
}
