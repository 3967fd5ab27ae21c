package io.torchferry.cache;

import io.torchferry.DType;
import io.torchferry.DeviceMemory;
import io.torchferry.LoadOptions;
import io.torchferry.LoadRequest;
import io.torchferry.MapLocation;
import io.torchferry.OpenOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** What makes two requests one: the file, the place in it, and the options that decide what the tensors are. */
record CacheKey(
        Path path,
        List<String> keys,
        MapLocation mapLocation,
        boolean mmap,
        boolean mmapNetworkFiles,
        Optional<Predicate<String>> filter,
        Optional<DType> cast,
        boolean verifyChecksums,
        DeviceMemory deviceMemory,
        OpenOptions open) {

    static CacheKey of(LoadRequest request) {
        LoadOptions options = request.options();
        return new CacheKey(normal(request.path()), request.keys(), options.mapLocation(), options.mmap(),
                options.mmapNetworkFiles(), options.filter(), options.cast(), options.verifyChecksums(), options.deviceMemory(),
                options.openOptions());
    }

    /** Links stay, so that one that is set to another file is noticed as a changed file. */
    static Path normal(Path path) {
        return path.toAbsolutePath().normalize();
    }
}
