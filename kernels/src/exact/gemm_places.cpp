// How OpenBLAS cuts the rows and columns of C (see gemm_places.h), and the C function that hands it to Python.

#include "exact/gemm_places.h"

#include <string.h>

// The ends of shares of `count` among `threads`: parts of what is left, rounded up, at least `least`.
static std::vector<int> cut(int count, int threads, int least) {
    std::vector<int> ends{0};
    for (int left = count; threads > 0; threads--) {
        const int fair = (left + threads - 1) / threads, share = fair < least ? least : fair;
        ends.push_back(ends.back() + (left < share ? left : share));
        left = count - ends.back();
    }
    return ends;
}

// Widths of the panels of columns: 320 while two fit; then halves, rounded up to eight. Half of an odd number is
// rounded up where threads share the columns, but in their first panel.
static int panel_width(int left, bool half_up) {
    constexpr int P = 320;
    return left >= 2 * P ? P : left > P ? ((left + half_up) / 2 + 7) / 8 * 8 : left;
}

static void place_haswell_columns(int begin, int end, int thread, bool alone, std::vector<int>& columns) {
    for (int start = begin, width; start < end; start += width) {
        width = panel_width(end - start, !alone && start > begin);
        const int blocks = width / 8;
        for (int i = 0; i < width; i++) {
            const int block = i / 8;
            int bits = block < blocks ? GROUP_OF_4 : 0;
            if (blocks >= 2 && (block == 0 || (block == blocks - 1 && blocks % 2 == 0))) bits |= FIRST_SIX;
            if (blocks >= 2 && block == blocks - 1 && blocks % 2 == 1) bits |= SECOND_SIX;
            columns[start + i] = gemm_column_place(bits, start == begin, thread);
        }
    }
}

// Nehalem: the last column of an odd number.
static void place_nehalem_columns(int begin, int end, int thread, bool, std::vector<int>& columns) {
    for (int i = begin; i < end; i++)
        columns[i] = gemm_column_place(i == end - 1 && (end - begin) % 2 ? GROUP_OF_4 : 0, true, thread);
}

// Bits of rows that Haswell's kernel gets at once: groups of 12, then of 8, 4, 2, 1. Whoever packs them calls it with
// 12 rows at a time, then with 4.
static void haswell_rows(int count, bool packs, int* bits) {
    for (int row = 0; row < count;) {
        const int left = count - row;
        const int group = left >= 12 ? 12 : left >= 8 && !packs ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        for (int i = 0; i < group; i++)
            bits[row + i] = group == 4 ? GROUP_OF_4 : group < 12 ? 0 : i < 6 ? FIRST_SIX : SECOND_SIX;
        row += group;
    }
}

// Nehalem: groups of 8, then of 4, 2, 1.
static void nehalem_rows(int count, int* bits) {
    for (int row = 0; row < count; row++) bits[row] = row >= count / 8 * 8 && row < count / 2 * 2 ? GROUP_OF_4 : 0;
}

// A thread's rows go to the kernel in two halves.
static void place_rows(int begin, int end, int thread, bool alone, TwoChains how, std::vector<int>& rows) {
    const int half = alone ? end - begin : (end - begin + 1) / 2;
    for (int start = begin; start < end; start += half) {
        const int count = end - start < half ? end - start : half;
        std::vector<int> own(count), other(count);
        if (how == HASWELL_CHAINS) {
            haswell_rows(count, true, own.data());
            haswell_rows(count, false, other.data());
        } else {
            nehalem_rows(count, own.data());
            other = own;
        }
        for (int i = 0; i < count; i++) rows[start + i] = gemm_row_place(own[i], other[i], thread);
    }
}

GemmPlaces gemm_places(GemmForm form, long long m, long long n, long long k, BlasProfile profile) {
    const GemmRule rule = gemm_rule(form, m, n, k, profile);
    if (rule.two == ONE_CHAIN) return {};
    const GemmShares shares = gemm_shares(m, n, k, profile.threads);
    GemmPlaces places{std::vector<int>(m), std::vector<int>(n)};
    const int threads = shares.columns * shares.rows;
    const std::vector<int> columns = cut((int)n, shares.columns, 1), rows = cut((int)m, threads, 2);
    for (int thread = 0; thread < shares.columns; thread++) {
        const auto place = rule.two == HASWELL_CHAINS ? place_haswell_columns : place_nehalem_columns;
        place(columns[thread], columns[thread + 1], thread, threads == 1, places.columns);
    }
    for (int thread = 0; thread < threads; thread++)
        place_rows(rows[thread], rows[thread + 1], thread % shares.columns, threads == 1, rule.two, places.rows);
    return places;
}

// Fills rows (m) and columns (n) and returns 1, or returns 0 where no element is two chains.
extern "C" int cpm_gemm_places(int form, long long m, long long n, long long k, int family, int threads, int* rows,
                               int* columns) {
    const GemmPlaces places = gemm_places((GemmForm)form, m, n, k, BlasProfile{family, threads});
    if (!places.any()) return 0;
    memcpy(rows, places.rows.data(), sizeof(int) * m);
    memcpy(columns, places.columns.data(), sizeof(int) * n);
    return 1;
}
