package io.torchferry.cli;

import io.torchferry.Device;
import io.torchferry.MapLocation;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * What {@code --map-location} says: a device ({@code cpu}, {@code cuda:1}), {@code best}, or a list
 * {@code SAVED=DEVICE,...} in which a device may be {@code best} too. Checked for form when the command line is
 * parsed; devices are looked up when {@link #resolve} is called.
 *
 * @param all where everything goes, or null
 * @param remap saved location to device, or null
 */
record MapLocationSpec(String all, Map<String, String> remap) {
    private static final String BEST = "best";
    static final MapLocationSpec AS_SAVED = new MapLocationSpec(null, null);

    static MapLocationSpec parse(String text) {
        if (!text.contains("=")) {
            return new MapLocationSpec(device(text), null);
        }
        Map<String, String> remap = new LinkedHashMap<>();
        for (String pair : text.split(",", -1)) {
            int equals = pair.indexOf('=');
            if (equals < 1) {
                throw new IllegalArgumentException("'" + pair + "' is not SAVED=DEVICE");
            }
            if (remap.put(pair.substring(0, equals), device(pair.substring(equals + 1))) != null) {
                throw new IllegalArgumentException("'" + pair.substring(0, equals) + "' is listed twice");
            }
        }
        return new MapLocationSpec(null, remap);
    }

    /** The placement; asks libtorch only where {@code best} has to be known. */
    MapLocation resolve() {
        if (all != null) {
            return MapLocation.to(lookUp(all));
        }
        if (remap == null) {
            return MapLocation.asSaved();
        }
        return MapLocation.remap(remap.entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, entry -> lookUp(entry.getValue()))));
    }

    @Override
    public String toString() {
        return all != null ? all : remap == null ? "as saved"
                : remap.entrySet().stream().map(Object::toString).collect(Collectors.joining(","));
    }

    private static String device(String text) {
        return text.equals(BEST) ? text : Device.parse(text).toString();
    }

    private static Device lookUp(String text) {
        return text.equals(BEST) ? Device.bestAvailable() : Device.parse(text);
    }

    /** For picocli. */
    static final class Converter implements ITypeConverter<MapLocationSpec> {
        @Override
        public MapLocationSpec convert(String text) {
            try {
                return parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
