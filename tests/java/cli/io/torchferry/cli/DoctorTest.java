package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DoctorTest {
    @Test
    void aMachineThatPassesItsTestsIsHealthy() {
        Map<String, Object> json = Cli.expect(0, "doctor", "--json").object();
        assertEquals("everything", json.get("usable"));
        assertEquals(true, Json.object(json.get("self_test")).get("ok"));
        assertTrue(Json.array(json.get("devices")).contains("cpu"), json.toString());
        assertEquals(List.of(), json.get("problems"));
        assertFalse(Json.array(json.get("attempts")).isEmpty());
        assertTrue(Json.object(json.get("libtorch")).get("version").toString().matches("2\\.\\d+\\..*"));
    }

    @Test
    void forAPerson() {
        String text = Cli.expect(0, "doctor").out();
        assertTrue(text.contains("Everything works."), text);
        assertTrue(text.contains("libtorch"), text);
        assertTrue(text.contains("devices     cpu"), text);
    }

    @Test
    void whatCannotBeUsedIsNotCalledUsable() {
        Diagnosis.SelfTest passed = new Diagnosis.SelfTest(true, "");
        assertEquals(Diagnosis.Usable.NOTHING, diagnosis("no library", null, passed).usable());
        assertEquals(Diagnosis.Usable.INSPECT_ONLY, diagnosis(null, "no libtorch", passed).usable());
        assertEquals(Diagnosis.Usable.INSPECT_ONLY,
                diagnosis(null, null, new Diagnosis.SelfTest(false, "differs")).usable());
        assertEquals(Diagnosis.Usable.EVERYTHING, diagnosis(null, null, passed).usable());
    }

    private static Diagnosis diagnosis(String nativeProblem, String torchProblem, Diagnosis.SelfTest selfTest) {
        return new Diagnosis(Machine.here(), null, nativeProblem, null, null, null, torchProblem, List.of(), List.of(),
                null, selfTest, List.of());
    }
}
