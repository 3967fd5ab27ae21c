package io.torchferry;

import java.util.Map;

/**
 * A {@link CheckpointLoader} as JMX shows it: {@link LoaderStats}, with durations in milliseconds and devices as text.
 * Registered by {@link Jmx#register(CheckpointLoader, String)}.
 */
public interface LoaderMXBean {

    /** The most loads that run at once. */
    int getThreads();

    /** Loads that wait for a thread now. */
    int getQueued();

    /** Loads that wait for bytes now. */
    int getWaitingForBudget();

    /** Loads that a thread works on now. */
    int getRunning();

    /** Loads that gave a state dict. */
    long getLoaded();

    /** Loads that failed. */
    long getFailed();

    /** Loads that were cancelled. */
    long getCancelled();

    /** Loads whose deadline passed. */
    long getTimedOut();

    /** Loads that found the queue full. */
    long getRejected();

    /** Milliseconds spent waiting for threads, summed over all loads. */
    long getQueuedMillis();

    /** Milliseconds spent waiting for bytes, summed over all loads. */
    long getBudgetMillis();

    /** Milliseconds spent opening, planning and loading, summed over all loads. */
    long getLoadMillis();

    /** Bytes of the loads that gave a state dict. */
    long getBytesLoaded();

    /** Bytes taken now on each device. */
    Map<String, Long> getBytesHeld();

    /** The most bytes that were ever taken on each device. */
    Map<String, Long> getPeakBytes();

    /** The limits that were set. */
    Map<String, Long> getBudgets();
}
