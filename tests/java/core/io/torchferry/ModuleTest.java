package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The classes as a Java module. */
class ModuleTest {
    @Test
    void exportsTheApiAndNeedsNothing() {
        ModuleDescriptor module =
                ModuleFinder.of(Fixtures.classes()).find("io.torchferry").orElseThrow().descriptor();
        assertEquals(Set.of("java.base"),
                module.requires().stream()
                        .filter(required -> !required.modifiers().contains(ModuleDescriptor.Requires.Modifier.STATIC))
                        .map(ModuleDescriptor.Requires::name).collect(Collectors.toSet()));
        assertEquals(Set.of("io.torchferry", "io.torchferry.spi"),
                module.exports().stream().map(ModuleDescriptor.Exports::source).collect(Collectors.toSet()));
        assertTrue(module.exports().stream().noneMatch(ModuleDescriptor.Exports::isQualified));
    }

    @Test
    void worksOnTheModulePath(@TempDir Path folder) throws Exception {
        Path sources = Files.createDirectories(folder.resolve("src/probe"));
        Files.writeString(folder.resolve("src/module-info.java"), "module probe { requires io.torchferry; }");
        Files.writeString(sources.resolve("Main.java"), """
                package probe;
                import io.torchferry.*;
                public class Main {
                    public static void main(String[] arguments) throws Exception {
                        try (Checkpoint file = Checkpoint.open(java.nio.file.Path.of(arguments[0]));
                                StateDict dict = file.stateDict(Device.cpu())) {
                            System.out.println(Checkpoint.class.getModule() + " " + dict.get("a").toFloatArray()[2]);
                        }
                    }
                }
                """);
        compile(folder);
        Fixtures.Outcome outcome = Fixtures.java(List.of(
                "-p", Fixtures.classes() + java.io.File.pathSeparator + folder.resolve("out"),
                "-Dtorchferry.native.dir=" + System.getProperty("torchferry.native.dir"),
                "-Dtorchferry.libtorch=" + Fixtures.libtorch(),
                "-m", "probe/probe.Main", Fixtures.file("golden_zip.pt").toString()));
        assertEquals("module io.torchferry 2.0\n", outcome.output());
        assertEquals(0, outcome.status());
    }

    /** A native image keeps only what it is told of: what native code asks for by name must be there under these names. */
    @Test
    void whatNativeImagesAreToldExists() throws Exception {
        String told = Files.readString(Fixtures.classes()
                .resolve("META-INF/native-image/io.torchferry/torchferry/jni-config.json"));
        int methods = 0;
        for (JsonElement entry : JsonParser.parseString(told).getAsJsonArray()) {
            Class<?> type = Class.forName(entry.getAsJsonObject().get("name").getAsString());
            for (JsonElement method : entry.getAsJsonObject().getAsJsonArray("methods")) {
                Class<?>[] parameters = method.getAsJsonObject().getAsJsonArray("parameterTypes").asList().stream()
                        .map(JsonElement::getAsString).map(ModuleTest::type).toArray(Class<?>[]::new);
                String name = method.getAsJsonObject().get("name").getAsString();
                if (name.equals("<init>")) {
                    type.getDeclaredConstructor(parameters);
                } else {
                    type.getDeclaredMethod(name, parameters);
                }
                methods++;
            }
        }
        assertEquals(3, methods);
    }

    private static Class<?> type(String name) {
        return switch (name) {
            case "int" -> int.class;
            case "long" -> long.class;
            case "boolean" -> boolean.class;
            case "byte[]" -> byte[].class;
            default -> String.class;
        };
    }

    private static void compile(Path folder) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        int status = compiler.run(null, null, null, "-p", Fixtures.classes().toString(), "-d",
                folder.resolve("out").toString(), folder.resolve("src/module-info.java").toString(),
                folder.resolve("src/probe/Main.java").toString());
        assertEquals(0, status);
    }
}
