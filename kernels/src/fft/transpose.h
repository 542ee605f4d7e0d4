// Transposing the taps of a block's 16 channels, which lie far apart in memory, into pixels of 16 channels, and back.

#pragma once
#include "common/cpu_version.h"

using Index = long long;

// A matrix whose rows are so many floats apart, backwards if negative.
template <class Float>
struct Rows {
    Float* data;
    Index step;

    Float* row(Index i) const { return data + i * step; }
};

#if CPM_X86
inline void transpose4(const Rows<const float>& from, const Rows<float>& to) {
    __m128 a = _mm_loadu_ps(from.row(0)), b = _mm_loadu_ps(from.row(1)), c = _mm_loadu_ps(from.row(2)),
           d = _mm_loadu_ps(from.row(3));
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to.row(0), a), _mm_storeu_ps(to.row(1), b), _mm_storeu_ps(to.row(2), c), _mm_storeu_ps(to.row(3), d);
}
#endif

inline void transpose_each(const Rows<const float>& from, int rows, int first, int columns, const Rows<float>& to) {
    for (int i = 0; i < rows; i++)
        for (int j = first; j < columns; j++) to.row(j)[i] = from.row(i)[j];
}

// to (columns x rows) = from (rows x columns), as far as they go in squares of 4 x 4 at once.
inline void transpose(const Rows<const float>& from, int rows, int columns, const Rows<float>& to) {
    int i = 0;
#if CPM_X86
    for (; i + 4 <= rows; i += 4) {
        const Rows<const float> strip{from.row(i), from.step};
        const Rows<float> target{to.data + i, to.step};
        int j = 0;
        for (; j + 4 <= columns; j += 4) transpose4({strip.data + j, strip.step}, {target.row(j), to.step});
        transpose_each(strip, 4, j, columns, target);
    }
#endif
    transpose_each({from.row(i), from.step}, rows - i, 0, columns, {to.data + i, to.step});
}
