/**
 * Meters of loaders and caches for Micrometer.
 */
@SuppressWarnings("requires-transitive-automatic")
module io.torchferry.micrometer {
    requires transitive io.torchferry;
    requires transitive micrometer.core;
    // Needed only by those who bind a cache.
    requires static transitive io.torchferry.cache;

    exports io.torchferry.micrometer;
}
