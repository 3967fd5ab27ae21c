package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.function.Executable;

/** The tests that one case, one load or one bad file of {@link InteropCases} becomes. */
final class CaseTests {

    private CaseTests() {
    }

    /** Everything about the files that load but their {@code map_location}s. */
    static Stream<DynamicNode> sound(InteropCases cases) {
        return grouped(cases.cases(), InteropCases.Case::group, one -> node(one.name(), tests(one)));
    }

    /** Every {@code map_location}. */
    static Stream<DynamicNode> placed(InteropCases cases) {
        return cases.cases().stream().filter(one -> !one.load().isEmpty()).map(one -> {
            Map<String, Executable> tests = new LinkedHashMap<>();
            one.load().forEach(load -> tests.put("map_location " + load.mapLocation(),
                    () -> PlacementComparison.compare(one, load)));
            return node(one.name(), tests);
        });
    }

    /** Every file to refuse or to bear. */
    static Stream<DynamicNode> bad(InteropCases cases) {
        return grouped(cases.bad(), InteropCases.Bad::group,
                one -> dynamicTest(one.name(), one.file().toUri(), () -> BadFileCheck.check(one)));
    }

    private static <T> Stream<DynamicNode> grouped(List<T> all, Function<T, String> group,
            Function<T, DynamicNode> node) {
        return all.stream().collect(Collectors.groupingBy(group, LinkedHashMap::new, Collectors.toList()))
                .entrySet().stream().map(entry -> dynamicContainer(entry.getKey(),
                        entry.getValue().stream().map(node)));
    }

    /** Names hold the case's, because reports do not show the containers around a test. */
    private static DynamicNode node(String name, Map<String, Executable> tests) {
        return dynamicContainer(name, tests.entrySet().stream().map(
                entry -> dynamicTest(name + ": " + entry.getKey(), entry.getValue())));
    }

    private static Map<String, Executable> tests(InteropCases.Case one) {
        Map<String, Executable> tests = new LinkedHashMap<>();
        if (one.refused() != null) {
            tests.put("refused as " + one.refused(), () -> refused(one));
            return tests;
        }
        tests.put("index", () -> {
            try (Checkpoint file = Checkpoint.open(one.file(), one.opening())) {
                IndexComparison.compare(file, one);
                assertEquals(Math.max(one.saves(), 1), file.saveCount());
            }
        });
        tests.put("content", () -> content(one));
        if (one.weightsOnly() != null) {
            tests.put("weights only", () -> weightsOnly(one));
        }
        tests.put("mapped", () -> LoadComparison.compare(one, LoadOptions.defaults()));
        tests.put("copied", () -> LoadComparison.compare(one, LoadOptions.defaults().mmap(false)));
        return tests;
    }

    private static void refused(InteropCases.Case one) {
        CheckpointException refused = assertThrows(CheckpointException.class, () -> {
            try (Checkpoint file = Checkpoint.open(one.file(), one.opening())) {
                file.root();
            }
        });
        assertEquals(one.refused(), BadFileCheck.kind(refused), refused::toString);
    }

    private static void content(InteropCases.Case one) throws IOException {
        try (Checkpoint file = Checkpoint.open(one.file(), one.opening())) {
            if (one.value() != null) {
                ContentComparison.compare(file, one.value());
            } else if (one.format().equals("safetensors")) {
                metadata(one, file.metadata());
            } else {
                assertNotNull(file.root().toString());
            }
        }
    }

    private static void metadata(InteropCases.Case one, Optional<Value> found) {
        Map<String, String> pairs = new LinkedHashMap<>();
        found.ifPresent(value -> value.asDict().entries().forEach(
                entry -> pairs.put(entry.key().asString(), entry.value().asString())));
        Map<String, String> wanted = new LinkedHashMap<>();
        boolean any = one.metadata() != null && one.metadata().isJsonObject();
        if (any) {
            one.metadata().getAsJsonObject().asMap().forEach((key, value) -> wanted.put(key, value.getAsString()));
        }
        assertEquals(wanted, pairs, "__metadata__");
        assertEquals(any, found.isPresent());
    }

    /** What PyTorch takes with weights_only=True is taken; a global that it names is refused by name. */
    private static void weightsOnly(InteropCases.Case one) throws IOException {
        OpenOptions weightsOnly = one.opening().withWeightsOnly(true);
        if (one.weightsOnly()) {
            Checkpoint.open(one.file(), weightsOnly).close();
        } else if (one.unsafeGlobals() != null && !one.unsafeGlobals().isEmpty()) {
            UnsafeCheckpointException unsafe = assertThrows(UnsafeCheckpointException.class,
                    () -> Checkpoint.open(one.file(), weightsOnly).close());
            assertTrue(one.unsafeGlobals().stream().anyMatch(
                    name -> unsafe.getMessage().contains(name.replaceFirst("^builtins\\.", ""))), unsafe::getMessage);
        } else {
            try (Checkpoint file = Checkpoint.open(one.file(), weightsOnly)) {
                assertEquals(List.of(), file.opaqueGlobals());
            } catch (UnsafeCheckpointException e) {
                assertTrue(e.getMessage().contains("GLOBAL"), e::getMessage);
            }
        }
    }
}
