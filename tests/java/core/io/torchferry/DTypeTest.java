package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class DTypeTest {
    @Test
    void agreesWithTheNativeTable() {
        NativeLoader.format();
        PackReader in = new PackReader(FormatNative.dtypes());
        Set<DType> seen = new HashSet<>();
        for (int number = in.i32(); number >= 0; number = in.i32()) {
            DType type = DType.numbered(number);
            seen.add(type);
            assertEquals(in.string(), type.torchName());
            assertEquals(in.i32(), type.itemsize(), type.torchName());
            assertEquals(in.i32(), type.elementsPerItem(), type.torchName());
            int kind = (type.isFloatingPoint() ? 1 : 0) | (type.isComplex() ? 2 : 0) | (type.isQuantized() ? 4 : 0);
            assertEquals(in.i32(), kind, type.torchName());
        }
        assertEquals(Set.of(DType.values()), seen);
    }

    @Test
    void parsesNamesAndAliases() {
        for (DType type : DType.values()) {
            assertEquals(type, DType.parse(type.torchName()));
            assertEquals(type, DType.parse("torch." + type));
        }
        assertEquals(DType.FLOAT16, DType.parse("half"));
        assertEquals(DType.INT64, DType.parse("torch.long"));
        assertThrows(IllegalArgumentException.class, () -> DType.parse("float128"));
        assertThrows(IllegalArgumentException.class, () -> DType.numbered(30));
        assertThrows(IllegalArgumentException.class, () -> DType.numbered(-1));
    }

    @Test
    void countsItemsOfPackedTypes() {
        assertEquals(3, DType.items(DType.QUINT4X2, 5));
        assertEquals(2, DType.items(DType.QUINT2X4, 5));
        assertEquals(5, DType.items(DType.FLOAT32, 5));
        assertEquals(Long.MAX_VALUE / 2 + 1, DType.items(DType.QUINT4X2, Long.MAX_VALUE));
    }
}
