package io.torchferry;

import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The comparisons of {@link InteropTest} on the files that are committed: they need no Python. */
class FixtureTest {
    private static InteropCases cases;

    @BeforeAll
    static void readCases() throws Exception {
        cases = InteropCases.read(Fixtures.file("fixtures.json"));
        HiddenAccelerator.hide();
    }

    @AfterAll
    static void showAccelerator() {
        HiddenAccelerator.show();
    }

    @TestFactory
    Stream<DynamicNode> files() throws IOException {
        return CaseTests.sound(cases);
    }

    @TestFactory
    Stream<DynamicNode> mapLocations() {
        return CaseTests.placed(cases);
    }

    @TestFactory
    Stream<DynamicNode> badFiles() {
        return CaseTests.bad(cases);
    }

    @Test
    void badFilesTakeLittleMemory() throws Exception {
        HostileMemory.check(cases);
    }
}
