/**
 * Checkpoints that several parts of a service use at once, loaded once and kept while there is room:
 * {@link io.torchferry.cache.CheckpointCache}.
 */
package io.torchferry.cache;
