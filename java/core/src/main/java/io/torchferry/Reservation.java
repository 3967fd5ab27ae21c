package io.torchferry;

import java.util.Map;
import java.util.TreeMap;

/**
 * Bytes taken from a {@link DeviceBudget}, held together by everything that still uses the storages they stand for.
 * Whoever goes last gives them back. Safe from any thread.
 */
final class Reservation {
    private final DeviceBudget budget;
    private Map<Device, Long> bytes;
    private int holders = 1;

    Reservation(DeviceBudget budget, Map<Device, Long> bytes) {
        this.budget = budget;
        this.bytes = bytes;
    }

    synchronized Map<Device, Long> bytes() {
        return bytes;
    }

    /** One holder more; false when the last one has gone. */
    synchronized boolean join() {
        if (holders == 0) {
            return false;
        }
        holders++;
        return true;
    }

    /** One holder less. */
    void leave() {
        Map<Device, Long> returned;
        synchronized (this) {
            if (holders == 0) {
                throw new IllegalStateException("a reservation was given back twice");
            }
            if (--holders > 0) {
                return;
            }
            returned = bytes;
            bytes = Map.of();
        }
        budget.give(returned);
    }

    /** Whether it has at least so much for each device. */
    synchronized boolean covers(Map<Device, Long> needed) {
        return needed.entrySet().stream().allMatch(e -> bytes.getOrDefault(e.getKey(), 0L) >= e.getValue());
    }

    /** Gives back what is beyond {@code needed}; takes nothing more. */
    void shrinkTo(Map<Device, Long> needed) {
        Map<Device, Long> beyond = new TreeMap<>(DeviceBudget.ORDER);
        synchronized (this) {
            if (holders == 0) {
                return;
            }
            Map<Device, Long> kept = new TreeMap<>(DeviceBudget.ORDER);
            bytes.forEach((device, held) -> {
                long keep = Math.min(held, needed.getOrDefault(device, 0L));
                if (keep > 0) {
                    kept.put(device, keep);
                }
                if (held > keep) {
                    beyond.put(device, held - keep);
                }
            });
            bytes = kept;
        }
        budget.give(beyond);
    }
}
