package io.torchferry.micrometer;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.binder.MeterBinder;
import io.torchferry.CheckpointLoader;
import io.torchferry.Device;
import io.torchferry.LoadListener;
import io.torchferry.LoadOutcome;
import io.torchferry.LoaderStats;
import io.torchferry.Staging;
import io.torchferry.Torchferry;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;

/**
 * Meters of one {@link CheckpointLoader}.
 *
 * <table>
 * <caption>Meters</caption>
 * <tr><th>name</th><th>tags</th><th>what</th></tr>
 * <tr><td>{@code torchferry.loads}</td><td>{@code result}</td><td>timer: opening, planning and loading</td></tr>
 * <tr><td>{@code torchferry.loads.queued}</td><td></td><td>timer: waiting for a thread</td></tr>
 * <tr><td>{@code torchferry.loads.budget.wait}</td><td></td><td>timer: waiting for bytes of a budget</td></tr>
 * <tr><td>{@code torchferry.loads.bytes}</td><td>{@code device}</td><td>counter: bytes loaded</td></tr>
 * <tr><td>{@code torchferry.loader.loads}</td><td>{@code state}</td><td>gauge: loads queued, waiting, running</td></tr>
 * <tr><td>{@code torchferry.device.bytes}</td><td>{@code device}</td><td>gauge: bytes held now</td></tr>
 * <tr><td>{@code torchferry.device.bytes.peak}</td><td>{@code device}</td><td>gauge: the most ever held</td></tr>
 * <tr><td>{@code torchferry.device.bytes.budget}</td><td>{@code device}</td><td>gauge: the budget</td></tr>
 * <tr><td>{@code torchferry.staging.bytes}</td><td>{@code state}</td><td>gauge: buffers on the way to devices</td></tr>
 * </table>
 *
 * <p>Meters of a device appear when it has a budget, or with its first load. {@link #close} ends the timers; gauges and
 * counters stay in the registry and keep the loader reachable only weakly, as Micrometer's do.
 */
public final class LoaderMetrics implements MeterBinder, AutoCloseable {
    private final CheckpointLoader loader;
    private final Tags tags;
    private final Set<LoadListener> listeners = ConcurrentHashMap.newKeySet();

    private LoaderMetrics(CheckpointLoader loader, Tags tags) {
        this.loader = loader;
        this.tags = tags;
    }

    /**
     * Meters of a loader.
     *
     * @param tags added to all of them, for example to tell two loaders apart
     */
    public static LoaderMetrics of(CheckpointLoader loader, Tag... tags) {
        return new LoaderMetrics(loader, Tags.of(tags));
    }

    @Override
    public void bindTo(MeterRegistry registry) {
        loads(registry, "queued", LoaderStats::queued);
        loads(registry, "waiting", LoaderStats::waitingForBudget);
        loads(registry, "running", LoaderStats::running);
        staging(registry, "allocated", Staging::allocated);
        staging(registry, "in_use", Staging::inUse);
        staging(registry, "pinned", Staging::pinned);
        LoadMeters meters = new LoadMeters(registry);
        loader.stats().budgets().keySet().forEach(meters::device);
        LoadListener listener = meters::ended;
        loader.addListener(listener);
        listeners.add(listener);
    }

    private void loads(MeterRegistry registry, String state, ToDoubleFunction<LoaderStats> figure) {
        Gauge.builder("torchferry.loader.loads", loader, of -> figure.applyAsDouble(of.stats()))
                .description("Loads that are in a state now").tags(tags.and("state", state)).register(registry);
    }

    /** Asks only a libtorch that is loaded: a look at meters must not load it. */
    private void staging(MeterRegistry registry, String state, ToDoubleFunction<Staging> figure) {
        Gauge.builder("torchferry.staging.bytes", () -> Torchferry.libtorchFolder().isEmpty() ? 0
                        : figure.applyAsDouble(Staging.status()))
                .description("Bytes of buffers on the way to devices").baseUnit("bytes")
                .tags(tags.and("state", state)).register(registry);
    }

    /** Ends the timers and the counting of bytes. */
    @Override
    public void close() {
        listeners.forEach(loader::removeListener);
        listeners.clear();
    }

    /** What each load adds. */
    private final class LoadMeters {
        private final MeterRegistry registry;
        private final Set<Device> devices = ConcurrentHashMap.newKeySet();

        LoadMeters(MeterRegistry registry) {
            this.registry = registry;
        }

        void ended(LoadOutcome outcome) {
            String result = outcome.result().name().toLowerCase(Locale.ROOT);
            timer("torchferry.loads", "Loads by their result", tags.and("result", result), outcome.loadNanos());
            timer("torchferry.loads.queued", "Waiting for a thread", tags, outcome.queuedNanos());
            timer("torchferry.loads.budget.wait", "Waiting for bytes of a budget", tags, outcome.budgetNanos());
            outcome.bytesByDevice().keySet().forEach(this::device);
            if (outcome.result() == LoadOutcome.Result.LOADED) {
                outcome.bytesByDevice().forEach((device, bytes) -> registry
                        .counter("torchferry.loads.bytes", tags.and("device", device.toString())).increment(bytes));
            }
        }

        private void timer(String name, String description, Tags all, long nanos) {
            Timer.builder(name).description(description).tags(all).register(registry)
                    .record(nanos, TimeUnit.NANOSECONDS);
        }

        void device(Device device) {
            if (devices.add(device)) {
                gauge("torchferry.device.bytes", "Bytes held", device,
                        stats -> stats.bytesHeld().getOrDefault(device, 0L));
                gauge("torchferry.device.bytes.peak", "The most bytes ever held", device,
                        stats -> stats.peakBytes().getOrDefault(device, 0L));
                if (loader.stats().budgets().containsKey(device)) {
                    gauge("torchferry.device.bytes.budget", "The most bytes that may be held", device,
                            stats -> stats.budgets().get(device));
                }
            }
        }

        private void gauge(String name, String description, Device device, ToDoubleFunction<LoaderStats> figure) {
            Gauge.builder(name, loader, of -> figure.applyAsDouble(of.stats())).description(description)
                    .baseUnit("bytes").tags(tags.and("device", device.toString())).register(registry);
        }
    }
}
