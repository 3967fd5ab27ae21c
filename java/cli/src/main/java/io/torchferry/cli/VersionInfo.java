package io.torchferry.cli;

import picocli.CommandLine.IVersionProvider;

/** What {@code --version} prints. The version is the jar's; classes that lie in a folder are a development build. */
final class VersionInfo implements IVersionProvider {
    @Override
    public String[] getVersion() {
        return new String[] {"torchferry " + version(), "Java " + System.getProperty("java.version") + " ("
                + System.getProperty("java.vendor") + "), " + platform()};
    }

    static String version() {
        String version = Main.class.getPackage().getImplementationVersion();
        return version == null ? "development build" : version;
    }

    /** "linux x86_64": operating system and processor as the JVM names them. */
    static String platform() {
        String arch = System.getProperty("os.arch");
        return System.getProperty("os.name") + " " + (arch.equals("amd64") ? "x86_64" : arch);
    }
}
