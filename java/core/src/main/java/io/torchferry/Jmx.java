package io.torchferry;

import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.ToLongFunction;
import javax.management.InstanceNotFoundException;
import javax.management.JMException;
import javax.management.MBeanRegistrationException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/**
 * Shows the library and its loaders to JMX, in the platform's MBean server, for those who ask for it. Needs the module
 * {@code java.management}: on the module path some module must require it, or {@code --add-modules java.management}.
 * Safe from any thread.
 */
public final class Jmx {
    private static final String DOMAIN = "io.torchferry";

    private Jmx() {
    }

    /** Something that JMX shows until this is closed. */
    public static final class Registration implements AutoCloseable {
        private final ObjectName name;

        private Registration(ObjectName name) {
            this.name = name;
        }

        /** The name under which it is shown. */
        public ObjectName name() {
            return name;
        }

        /** Takes it out of the server; does nothing the second time. */
        @Override
        public void close() {
            try {
                server().unregisterMBean(name);
            } catch (InstanceNotFoundException e) {
                // Taken out already, here or by somebody else.
                return;
            } catch (MBeanRegistrationException e) {
                throw new IllegalStateException(name + " cannot be taken out", e);
            }
        }
    }

    /**
     * Shows the library as {@code io.torchferry:type=Torchferry}, see {@link TorchferryMXBean}.
     *
     * @return what takes it out again
     * @throws IllegalStateException when it is shown already
     */
    public static Registration register() {
        return register(new LibraryBean(), "type=Torchferry");
    }

    /**
     * Shows a loader as {@code io.torchferry:type=CheckpointLoader,name="NAME"}, see {@link LoaderMXBean}. The server
     * keeps the loader reachable until the registration is closed; close it with the loader.
     *
     * @param loader the loader
     * @param name tells it from others
     * @return what takes it out again
     * @throws IllegalStateException when there is one of this name
     */
    public static Registration register(CheckpointLoader loader, String name) {
        return register(new LoaderBean(Objects.requireNonNull(loader)),
                "type=CheckpointLoader,name=" + ObjectName.quote(name));
    }

    private static Registration register(Object bean, String properties) {
        try {
            ObjectName name = new ObjectName(DOMAIN + ":" + properties);
            server().registerMBean(bean, name);
            return new Registration(name);
        } catch (JMException e) {
            throw new IllegalStateException(properties + " cannot be shown to JMX: " + e, e);
        }
    }

    private static MBeanServer server() {
        return ManagementFactory.getPlatformMBeanServer();
    }

    private static final class LibraryBean implements TorchferryMXBean {
        @Override
        public String getVersion() {
            return Torchferry.version();
        }

        @Override
        public String getLibtorchVersion() {
            return NativeLoader.isTorchLoaded() ? Torchferry.libtorchVersion() : "";
        }

        @Override
        public String getLibtorchFolder() {
            return Torchferry.libtorchFolder().map(Object::toString).orElse("");
        }

        @Override
        public List<String> getAttempts() {
            return Torchferry.attempts();
        }

        @Override
        public long getOpenObjects() {
            return Handle.open();
        }

        @Override
        public long getStagingLimit() {
            return staging(Staging::limit);
        }

        @Override
        public void setStagingLimit(long bytes) {
            Staging.limit(bytes);
        }

        @Override
        public long getStagingAllocated() {
            return staging(Staging::allocated);
        }

        @Override
        public long getStagingInUse() {
            return staging(Staging::inUse);
        }

        @Override
        public long getStagingPinned() {
            return staging(Staging::pinned);
        }

        @Override
        public void releaseStaging() {
            if (NativeLoader.isTorchLoaded()) {
                Staging.release();
            }
        }

        private static long staging(ToLongFunction<Staging> figure) {
            return NativeLoader.isTorchLoaded() ? figure.applyAsLong(Staging.status()) : 0;
        }
    }

    private static final class LoaderBean implements LoaderMXBean {
        private final CheckpointLoader loader;

        LoaderBean(CheckpointLoader loader) {
            this.loader = loader;
        }

        private LoaderStats stats() {
            return loader.stats();
        }

        private static Map<String, Long> named(Map<Device, Long> bytes) {
            Map<String, Long> named = new TreeMap<>();
            bytes.forEach((device, held) -> named.put(device.toString(), held));
            return named;
        }

        @Override
        public int getThreads() {
            return stats().threads();
        }

        @Override
        public int getQueued() {
            return stats().queued();
        }

        @Override
        public int getWaitingForBudget() {
            return stats().waitingForBudget();
        }

        @Override
        public int getRunning() {
            return stats().running();
        }

        @Override
        public long getLoaded() {
            return stats().loaded();
        }

        @Override
        public long getFailed() {
            return stats().failed();
        }

        @Override
        public long getCancelled() {
            return stats().cancelled();
        }

        @Override
        public long getTimedOut() {
            return stats().timedOut();
        }

        @Override
        public long getRejected() {
            return stats().rejected();
        }

        @Override
        public long getQueuedMillis() {
            return TimeUnit.NANOSECONDS.toMillis(stats().queuedNanos());
        }

        @Override
        public long getBudgetMillis() {
            return TimeUnit.NANOSECONDS.toMillis(stats().budgetNanos());
        }

        @Override
        public long getLoadMillis() {
            return TimeUnit.NANOSECONDS.toMillis(stats().loadNanos());
        }

        @Override
        public long getBytesLoaded() {
            return stats().bytesLoaded();
        }

        @Override
        public Map<String, Long> getBytesHeld() {
            return named(stats().bytesHeld());
        }

        @Override
        public Map<String, Long> getPeakBytes() {
            return named(stats().peakBytes());
        }

        @Override
        public Map<String, Long> getBudgets() {
            return named(stats().budgets());
        }
    }
}
