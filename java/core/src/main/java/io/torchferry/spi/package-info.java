/**
 * How the jars with native libraries make themselves known to the module system.
 */
package io.torchferry.spi;
