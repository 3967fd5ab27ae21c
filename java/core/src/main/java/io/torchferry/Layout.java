package io.torchferry;

import java.util.Locale;

/** How a tensor's elements are laid out ({@code torch.layout}). */
public enum Layout {
    // In the order of torchferry::Layout.
    /** {@code torch.strided}: the ordinary tensor. */
    STRIDED,
    /** {@code torch.sparse_coo}. */
    SPARSE_COO,
    /** {@code torch.sparse_csr}. */
    SPARSE_CSR,
    /** {@code torch.sparse_csc}. */
    SPARSE_CSC,
    /** {@code torch.sparse_bsr}. */
    SPARSE_BSR,
    /** {@code torch.sparse_bsc}. */
    SPARSE_BSC,
    /** A nested tensor. */
    NESTED;

    private static final Layout[] ALL = values();

    static Layout numbered(int ordinal) {
        return ALL[ordinal];
    }

    /** torch's name: {@code "strided"}, {@code "sparse_coo"}. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
