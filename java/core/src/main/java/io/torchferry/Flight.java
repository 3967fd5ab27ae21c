package io.torchferry;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;
import java.util.stream.Collectors;
import jdk.jfr.FlightRecorder;

/**
 * What the library tells JDK Flight Recorder. Where the Java run time comes without it, and while no recording asks for
 * an event, nothing is gathered: a begun event is null then, and every method takes null.
 */
final class Flight {
    private static final boolean PRESENT = ModuleLayer.boot().findModule("jdk.jfr").isPresent();

    private Flight() {
    }

    /** Whether there ever was a recording; event classes are not loaded before, because that sets the recorder up. */
    private static boolean isOn() {
        return PRESENT && FlightRecorder.isInitialized();
    }

    /** An opening begins. */
    static Object opening() {
        if (!isOn()) {
            return null;
        }
        OpenEvent event = new OpenEvent();
        event.begin();
        return event.isEnabled() ? event : null;
    }

    /** @param failure null when it went well */
    static void opened(Object begun, String file, CheckpointFacts facts, Throwable failure) {
        if (begun instanceof OpenEvent event) {
            event.file = file;
            event.format = facts == null ? null : facts.format().toString();
            event.fileSize = facts == null ? 0 : facts.size();
            event.failure = text(failure);
            event.commit();
        }
    }

    /** A load begins. */
    static Object loading() {
        if (!isOn()) {
            return null;
        }
        LoadEvent event = new LoadEvent();
        event.begin();
        return event.isEnabled() ? event : null;
    }

    /** @param dict null when it did not go well */
    static void loaded(Object begun, String file, String place, StateDict dict, Throwable failure) {
        if (begun instanceof LoadEvent event) {
            event.end();
            event.file = file;
            event.place = place;
            event.failure = text(failure);
            if (dict != null && event.shouldCommit()) {
                describe(event, dict);
            }
            event.commit();
            if (dict != null) {
                transferred(file, dict);
            }
        }
    }

    /** One event for each device that a load copied bytes to. */
    private static void transferred(String file, StateDict dict) {
        dict.bytesByDevice().forEach((device, bytes) -> {
            TransferEvent event = new TransferEvent();
            if (bytes > 0 && !device.isCpu() && event.isEnabled()) {
                event.source = file;
                event.device = device.toString();
                event.bytes = bytes;
                event.transfer = dict.report().transferNanos();
                event.commit();
            }
        });
    }

    /** A move of tensors to a device begins. */
    static Object moving(StateDict dict, Device device) {
        if (!isOn()) {
            return null;
        }
        TransferEvent event = new TransferEvent();
        if (!event.isEnabled()) {
            return null;
        }
        Map<Device, Long> before = dict.bytesByDevice();
        event.source = devices(before);
        event.device = device.toString();
        event.bytes = before.entrySet().stream().filter(held -> !held.getKey().equals(device))
                .mapToLong(Map.Entry::getValue).sum();
        event.begin();
        return event;
    }

    /** @param failure null when it went well */
    static void moved(Object begun, long nanos, Throwable failure) {
        if (begun instanceof TransferEvent event) {
            event.end();
            event.transfer = nanos;
            event.failure = text(failure);
            event.commit();
        }
    }

    private static String devices(Map<Device, Long> bytes) {
        StringJoiner devices = new StringJoiner(" ");
        bytes.forEach((device, held) -> devices.add(device + "=" + held));
        return devices.toString();
    }

    private static void describe(LoadEvent event, StateDict dict) {
        LoadReport report = dict.report();
        Map<Device, Long> bytes = dict.bytesByDevice();
        event.tensors = dict.size();
        event.bytes = bytes.values().stream().mapToLong(Long::longValue).sum();
        event.devices = devices(bytes);
        event.strategy = strategy(report);
        event.bytesMapped = report.bytesMapped();
        event.bytesRead = report.bytesRead();
        event.bytesPinned = report.bytesPinned();
        event.bytesCopied = report.bytesCopiedToDevices();
        event.planning = report.planNanos();
        event.transfer = report.transferNanos();
        event.building = report.tensorsNanos();
        event.skipped = report.skipped().size();
    }

    private static String strategy(LoadReport report) {
        return report.strategies().stream().map(way -> way.name().toLowerCase(Locale.ROOT))
                .collect(Collectors.joining("+"));
    }

    /** A saving begins. */
    static Object saving() {
        if (!isOn()) {
            return null;
        }
        SaveEvent event = new SaveEvent();
        event.begin();
        return event.isEnabled() ? event : null;
    }

    /** @param failure null when it went well */
    static void saved(Object begun, Path file, int tensors, Throwable failure) {
        if (begun instanceof SaveEvent event) {
            event.end();
            event.file = file.toString();
            event.tensors = tensors;
            event.failure = text(failure);
            if (failure == null) {
                event.fileSize = size(file);
            }
            event.commit();
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException gone) {
            return 0;
        }
    }

    /** An owner was closed. */
    static void closed(String owner, long heldNanos) {
        if (isOn()) {
            CloseEvent event = new CloseEvent();
            if (event.isEnabled()) {
                event.owner = owner;
                event.heldFor = heldNanos;
                event.commit();
            }
        }
    }

    /** @param opened null when that was not asked for */
    static void leaked(String owner, long heldNanos, Throwable opened) {
        if (isOn()) {
            LeakEvent event = new LeakEvent();
            if (event.isEnabled()) {
                event.owner = owner;
                event.heldFor = heldNanos;
                event.openedAt = opened == null ? null : stack(opened);
                event.commit();
            }
        }
    }

    private static String stack(Throwable opened) {
        StringJoiner lines = new StringJoiner("\n");
        for (StackTraceElement frame : opened.getStackTrace()) {
            lines.add(frame.toString());
        }
        return lines.toString();
    }

    /** A load of a loader ended. */
    static void ended(LoadOutcome outcome) {
        if (isOn()) {
            LoaderEvent event = new LoaderEvent();
            if (event.isEnabled()) {
                event.file = outcome.request().path().toString();
                event.result = outcome.result().name();
                event.bytes = outcome.bytesByDevice().values().stream().mapToLong(Long::longValue).sum();
                event.queued = outcome.queuedNanos();
                event.waitingForBytes = outcome.budgetNanos();
                event.loading = outcome.loadNanos();
                event.failure = text(outcome.failure().orElse(null));
                event.commit();
            }
        }
    }

    private static String text(Throwable failure) {
        return failure == null ? null : failure.toString();
    }
}
