package io.torchferry;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;

/**
 * How many bytes loads may hold on each device. What is needed on several devices is taken at once or not at all, so
 * nobody holds a part and waits for the rest. Who waits is served in the order of numbers; others may pass only on devices that
 * none before them waits for. One lock; nothing foreign is called while it is held.
 */
final class DeviceBudget {
    static final Comparator<Device> ORDER = Comparator.comparing(Device::type).thenComparingInt(Device::index);

    /** Who waits. */
    interface Waiter {
        /** The place in the queue; no two have the same. */
        long number();

        /** Called once, by the thread that gave bytes back, with what was asked for. */
        void granted(Reservation reservation);
    }

    private record Grant(Waiter waiter, Reservation reservation) {
    }

    private final Map<Device, Long> limits;
    private final Map<Device, Long> used = new TreeMap<>(ORDER);
    private final Map<Device, Long> peaks = new TreeMap<>(ORDER);
    private final NavigableMap<Waiter, Map<Device, Long>> waiting =
            new TreeMap<>(Comparator.comparingLong(Waiter::number));

    /** @param limits bytes by device; devices that are not listed have no limit */
    DeviceBudget(Map<Device, Long> limits) {
        this.limits = Collections.unmodifiableMap(sorted(limits));
    }

    private static Map<Device, Long> sorted(Map<Device, Long> map) {
        Map<Device, Long> result = new TreeMap<>(ORDER);
        result.putAll(map);
        return result;
    }

    /** The device that a budget speaks of: a CPU is a CPU, and no index means the first one. */
    static Device normal(Device device) {
        if (device.isCpu()) {
            return Device.cpu();
        }
        return device.isMeta() || device.index() >= 0 ? device : new Device(device.type(), 0);
    }

    Map<Device, Long> limits() {
        return limits;
    }

    synchronized Map<Device, Long> used() {
        return Collections.unmodifiableMap(sorted(used));
    }

    synchronized Map<Device, Long> peaks() {
        return Collections.unmodifiableMap(sorted(peaks));
    }

    synchronized int waiters() {
        return waiting.size();
    }

    /** @throws BudgetExceededException when even all of a device's budget would not do */
    void requirePossible(Map<Device, Long> bytes, String what) {
        bytes.forEach((device, needed) -> {
            long limit = limit(device);
            if (needed > limit) {
                throw new BudgetExceededException(what + " needs " + needed + " bytes on " + device
                        + ", more than the whole budget of " + limit, device, needed, limit, limit);
            }
        });
    }

    /** Why bytes cannot be taken now: the first device that lacks some, or that somebody waits for. */
    synchronized BudgetExceededException refusal(Map<Device, Long> bytes, String what) {
        for (Map.Entry<Device, Long> entry : bytes.entrySet()) {
            long free = limit(entry.getKey()) - used.getOrDefault(entry.getKey(), 0L);
            if (entry.getValue() > free) {
                return new BudgetExceededException(what + " needs " + entry.getValue() + " bytes on " + entry.getKey()
                        + ", of which " + free + " are free; close what was loaded before, or let it wait",
                        entry.getKey(), entry.getValue(), free, limit(entry.getKey()));
            }
        }
        Map.Entry<Device, Long> first = bytes.entrySet().iterator().next();
        return new BudgetExceededException(what + " needs " + first.getValue() + " bytes on " + first.getKey()
                + ", where others wait already", first.getKey(), first.getValue(), 0, limit(first.getKey()));
    }

    /** Takes bytes for somebody; null when they are not free, or somebody before waits for one of the devices. */
    synchronized Reservation tryTake(Map<Device, Long> bytes, Waiter taker) {
        if (!fits(bytes)) {
            return null;
        }
        Set<Device> awaited = new HashSet<>();
        for (Map<Device, Long> earlier : waiting.headMap(taker).values()) {
            awaited.addAll(limited(earlier));
            if (!Collections.disjoint(awaited, bytes.keySet())) {
                return null;
            }
            if (awaited.size() == limits.size()) {
                break;
            }
        }
        return take(bytes);
    }

    /** Takes bytes, or else puts the waiter into the queue and gives null. */
    synchronized Reservation takeOrWait(Map<Device, Long> bytes, Waiter waiter) {
        Reservation taken = tryTake(bytes, waiter);
        if (taken == null) {
            waiting.put(waiter, bytes);
        }
        return taken;
    }

    /** The devices among these that can be short. */
    private Set<Device> limited(Map<Device, Long> bytes) {
        Set<Device> devices = new HashSet<>(bytes.keySet());
        devices.retainAll(limits.keySet());
        return devices;
    }

    /** Ends the waiting; false when the waiter was served, or does not wait. */
    boolean withdraw(Waiter waiter) {
        synchronized (this) {
            if (waiting.remove(waiter) == null) {
                return false;
            }
        }
        serve();
        return true;
    }

    /** Bytes come back. */
    void give(Map<Device, Long> bytes) {
        synchronized (this) {
            bytes.forEach((device, given) -> used.merge(device, -given, Long::sum));
        }
        serve();
    }

    /** What would have to come back so that the first who wait for each device could be served; empty: nobody waits. */
    synchronized Map<Device, Long> shortage() {
        Map<Device, Long> missing = new TreeMap<>(ORDER);
        Set<Device> seen = new HashSet<>();
        for (Map<Device, Long> bytes : waiting.values()) {
            if (seen.size() == limits.size()) {
                break;
            }
            if (Collections.disjoint(seen, bytes.keySet())) {
                missing.putAll(missing(bytes));
            }
            seen.addAll(limited(bytes));
        }
        return missing;
    }

    /** What is not free of these bytes, on each device that lacks some. */
    synchronized Map<Device, Long> missing(Map<Device, Long> bytes) {
        Map<Device, Long> missing = new TreeMap<>(ORDER);
        bytes.forEach((device, needed) -> {
            long lacking = needed - (limit(device) - used.getOrDefault(device, 0L));
            if (lacking > 0) {
                missing.put(device, lacking);
            }
        });
        return missing;
    }

    private void serve() {
        List<Grant> grants = new ArrayList<>();
        synchronized (this) {
            Set<Device> awaited = new HashSet<>();
            Iterator<Map.Entry<Waiter, Map<Device, Long>>> queue = waiting.entrySet().iterator();
            while (queue.hasNext() && awaited.size() < limits.size()) {
                Map.Entry<Waiter, Map<Device, Long>> next = queue.next();
                Map<Device, Long> bytes = next.getValue();
                if (Collections.disjoint(awaited, bytes.keySet()) && fits(bytes)) {
                    grants.add(new Grant(next.getKey(), take(bytes)));
                    queue.remove();
                } else {
                    awaited.addAll(limited(bytes));
                }
            }
        }
        grants.forEach(grant -> grant.waiter().granted(grant.reservation()));
    }

    private boolean fits(Map<Device, Long> bytes) {
        return missing(bytes).isEmpty();
    }

    private Reservation take(Map<Device, Long> bytes) {
        bytes.forEach((device, taken) -> peaks.merge(device, used.merge(device, taken, Long::sum), Math::max));
        return new Reservation(this, bytes);
    }

    private long limit(Device device) {
        return limits.getOrDefault(device, Long.MAX_VALUE);
    }
}
