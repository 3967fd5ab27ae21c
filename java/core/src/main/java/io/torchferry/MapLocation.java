package io.torchferry;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * Where storages go: the four forms of {@code torch.load}'s {@code map_location}. It is resolved once for each
 * distinct saved location, before any byte moves, and applied to storages; views are built afterwards, so what shared
 * memory when it was saved shares memory on whatever device it lands.
 */
public sealed interface MapLocation {

    /** {@code map_location=None}: every storage goes where it was saved. */
    static MapLocation asSaved() {
        return AsSaved.INSTANCE;
    }

    /** {@code map_location=device}: everything goes there, whatever the file says. */
    static MapLocation to(Device device) {
        return new To(device);
    }

    /**
     * {@code map_location=dict}: exact match of the saved location, one step, no wildcards; a location that is not
     * listed stays as saved.
     */
    static MapLocation remap(Map<String, Device> devices) {
        return new Remap(devices);
    }

    /**
     * {@code map_location=callable}: the function is called once for each distinct saved location in use, in order of
     * first appearance, on the calling thread and before anything moves; {@code null} means as saved. What it throws
     * ends the load.
     */
    static MapLocation by(Function<String, Device> function) {
        return new By(function);
    }

    /** See {@link MapLocation#asSaved()}. */
    enum AsSaved implements MapLocation {
        /** The only one. */
        INSTANCE
    }

    /**
     * See {@link MapLocation#to}.
     *
     * @param device where everything goes
     */
    record To(Device device) implements MapLocation {
        /** Checks the argument. */
        public To {
            Objects.requireNonNull(device, "device");
        }
    }

    /**
     * See {@link MapLocation#remap}.
     *
     * @param devices saved location to device
     */
    record Remap(Map<String, Device> devices) implements MapLocation {
        /** Copies the map. */
        public Remap {
            devices = Map.copyOf(devices);
        }
    }

    /**
     * See {@link MapLocation#by}.
     *
     * @param function saved location to device, or to {@code null} for as saved
     */
    record By(Function<String, Device> function) implements MapLocation {
        /** Checks the argument. */
        public By {
            Objects.requireNonNull(function, "function");
        }

        /** The map that stands for this function on these locations. */
        Remap resolve(Iterable<String> locations) {
            Map<String, Device> devices = new LinkedHashMap<>();
            for (String location : locations) {
                Device device = function.apply(location);
                if (device != null) {
                    devices.put(location, device);
                }
            }
            return new Remap(devices);
        }
    }
}
