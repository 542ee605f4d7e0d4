// The whole matrix product on the host: packing, blocks and threads around the tiles of gemm_tile.h.
//
// B need not exist as a matrix: it is read through offsets, B(k, n) = base[row[k] + column[n]], so that the column
// matrix of a convolution is packed straight from the (zero-padded) image.

#pragma once
#include <stdlib.h>

#include <memory>

#include "exact/gemm_places.h"
#include "exact/gemm_tile.h"
#include "common/parallel.h"

using Index = long long;

struct FreeMemory {
    void operator()(float* memory) const { free(memory); }
};
using Floats = std::unique_ptr<float[], FreeMemory>;

// On a cache line's boundary: 64-byte loads that cross one take twice the time.
inline Floats floats(size_t count) {
    void* memory = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    if (!memory) abort();
    return Floats((float*)memory);
}

// A(m, k) = data[m * row + k * column].
struct StridedMatrix {
    const float* data;
    Index row, column;
};

struct OffsetMatrix {
    const float* base;
    const Index *row, *column;
};

// How products are computed: whose bits, by how many threads here, and by which version of the tile.
struct GemmSettings {
    BlasProfile profile;
    int threads;
    CpuVersion version;
};

// One product of sizes m x n x k: its arithmetic, and which elements are two chains.
struct GemmPlan {
    GemmRule rule;
    GemmPlaces places;
    GemmSettings settings;
    std::vector<unsigned char> column_bits;  // of eight columns each, any of their bits

    GemmPlan(GemmForm form, Index m, Index n, Index k, const GemmSettings& settings);
};

inline int panels_of(Index size, Index width) { return (int)((size + width - 1) / width); }

// k in [start, start + length).
struct GemmBlock {
    int start, length;
};

inline std::vector<GemmBlock> gemm_blocks(int depth, GemmRule rule) {
    std::vector<GemmBlock> blocks;
    for (int start = 0; start < depth; start += blocks.back().length)
        blocks.push_back({start, gemm_block(depth - start, rule)});
    return blocks;
}

// One tile of C by the plan; `row` and `column` say where it lies in the product.
void run_tile(const GemmPlan& plan, Index row, Index column, int depth, const float* a, const float* b,
              const Tile& tile);

// A of rows x depth in panels of 8 rows, block by block; rows beyond the last are zero.
Floats pack_rows(const StridedMatrix& a, int rows, int depth, GemmRule rule, int threads);

// Columns [first, first + count) of rows [start, start + depth) of B into one panel; columns beyond are zero.
void pack_columns(const OffsetMatrix& b, Index start, int depth, Index first, int count, CpuVersion version,
                  float* panel);

// C (rows x columns, rows `stride` apart) = or += A B, A packed by pack_rows with the plan's rule.
void gemm_packed(const float* packed_a, const OffsetMatrix& b, int rows, Index columns, int depth,
                 const GemmPlan& plan, bool accumulate, float* c, Index stride);

// Columns [first, columns) of C = or += A B by 16 lanes.
void gemm_lanes(const StridedMatrix& a, const OffsetMatrix& b, int rows, Index first, Index columns,
                int depth, bool accumulate, float* c, Index stride);

inline TileUse tile_use(bool first, bool accumulate, GemmRule rule) {
    return !first || accumulate ? TILE_ADD : rule.q ? TILE_STORE_SUM : TILE_STORE;
}

// 0, step, 2 step, …
inline std::vector<Index> linear_offsets(Index count, Index step) {
    std::vector<Index> offsets(count);
    for (Index i = 0; i < count; i++) offsets[i] = i * step;
    return offsets;
}
