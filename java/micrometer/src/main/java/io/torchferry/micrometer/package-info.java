/**
 * Meters of loaders and caches: {@link io.torchferry.micrometer.LoaderMetrics} and
 * {@link io.torchferry.micrometer.CacheMetrics}.
 */
package io.torchferry.micrometer;
