// Matrix products on the GPU with OpenBLAS's chains: C (M x N) = A (M x K) . B (K x N), onto C if asked.
//
// Every element is the chain of gemm.h: blocks of k one after the other, each added to C in memory as OpenBLAS does,
// so that a thread needs registers for one block only. The sum over k is never split between threads.
//
// A thread block computes a tile of C: 64 elements per thread in registers, in four quarters of 4 x 4; panels of A
// and B, DEPTH deep, lie in shared memory, k first, while the next ones are on their way from memory (two buffers).

#pragma once

#include "exact/gemm.h"
#include "common/thread_block.h"

constexpr int DEPTH = 8;    // of a panel, in k
constexpr int PADDING = 4;  // of a panel's rows: spreads the deposits over the banks of shared memory

template <int ROWS_, int COLUMNS_>
struct Tile {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, THREADS = ROWS * COLUMNS / 64;
    // Blocks on a multiprocessor at a time; more would leave fewer registers than the sums need, and spill. FEWER is
    // for kernels that hold more than the sums.
    static constexpr int RESIDENT = THREADS == 256 ? 1 : COLUMNS == 64 ? 6 : 4, FEWER = THREADS == 256 ? 1 : 4;
    static constexpr int QUARTER_ROWS = ROWS / 2, QUARTER_COLUMNS = COLUMNS / 2;

    // A warp covers 4 x 8 threads: 4 float4 of A and 8 of B per value of k.
    static CPM_DEVICE int row(int id) { return (id / 32 / (COLUMNS / 64) * 4 + id % 32 / 8) * 4; }
    static CPM_DEVICE int column(int id) { return (id / 32 % (COLUMNS / 64) * 8 + id % 8) * 4; }
};

template <class T>
struct Panels {
    alignas(16) float a[2][DEPTH * (T::ROWS + PADDING)];
    alignas(16) float b[2][DEPTH * (T::COLUMNS + PADDING)];
};

// What a thread holds: its 64 sums (row by row) and what it is bringing from memory.
template <class A, class B>
struct ProductThread {
    float sum[8][8];
    A a;
    B b;
};

CPM_DEVICE void read4(const float* from, float* to) {
    const float4 four = *(const float4*)from;
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

CPM_DEVICE void write4(float* to, const float* from) { *(float4*)to = float4{from[0], from[1], from[2], from[3]}; }

// What the chains are made of: one rounding a step or two, and whether there are places where elements of two chains
// are left alone (gemm.h).
struct FusedChains {
    static constexpr bool FUSED = true, LEAVES_SOME = false;
};

struct FusedChainsWithPlaces {
    static constexpr bool FUSED = true, LEAVES_SOME = true;
};

struct RoundedChainsWithPlaces {
    static constexpr bool FUSED = false, LEAVES_SOME = true;
};

template <class T, class How>
CPM_DEVICE void chain_step(float (&sum)[8][8], const float* a, const float* b) {
    float left[8], right[8];
    read4(a, left), read4(a + T::QUARTER_ROWS, left + 4);
    read4(b, right), read4(b + T::QUARTER_COLUMNS, right + 4);
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) sum[i][j] = multiply_add(How::FUSED, left[i], right[j], sum[i][j]);
}

// Chains over `depth` values of k from one pair of panels. A shorter last panel is not filled up with zeros: they
// would turn a sum of -0 into +0.
template <class T, class How>
CPM_DEVICE void multiply_panels(float (&sum)[8][8], const Panels<T>& panels, int buffer, int depth, int id) {
    const float* a = panels.a[buffer] + T::row(id);
    const float* b = panels.b[buffer] + T::column(id);
    if (depth >= DEPTH) {
#pragma unroll
        for (int k = 0; k < DEPTH; k++)
            chain_step<T, How>(sum, a + k * (T::ROWS + PADDING), b + k * (T::COLUMNS + PADDING));
    } else {
#pragma unroll 1
        for (int k = 0; k < depth; k++)
            chain_step<T, How>(sum, a + k * (T::ROWS + PADDING), b + k * (T::COLUMNS + PADDING));
    }
}

// One block: every thread's 64 chains over k in [begin, end), from 0.
template <class T, class How, class Threads>
CPM_DEVICE void multiply_block(Threads& threads, Panels<T>& panels, int begin, int end) {
    threads.phase([&](auto& thread, int id) {
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 8; j++) thread.sum[i][j] = 0.0f;
        thread.a.fetch(id, begin, end), thread.b.fetch(id, begin, end);
        thread.a.deposit(id, panels.a[0]), thread.b.deposit(id, panels.b[0]);
    });
    int buffer = 0;
#pragma unroll 1
    for (int k = begin; k < end; k += DEPTH, buffer ^= 1) {
        threads.phase([&](auto& thread, int id) {
            const bool more = k + DEPTH < end;
            if (more) thread.a.fetch(id, k + DEPTH, end), thread.b.fetch(id, k + DEPTH, end);
            multiply_panels<T, How>(thread.sum, panels, buffer, end - k, id);
            if (more) thread.a.deposit(id, panels.a[buffer ^ 1]), thread.b.deposit(id, panels.b[buffer ^ 1]);
        });
    }
}

// A tile of C in memory: M x N, rows contiguous; `first_row` and `first_column` are the tile's. Columns from `kept` on
// are left alone (gemm_lanes_from), and, where there are places, elements of two chains.
struct Output {
    float* data;
    int rows, columns, kept, first_row, first_column;
    bool whole;  // rows are multiples of 16 bytes
    const int *row_places, *column_places;  // or null

    CPM_DEVICE bool leaves_alone(int row, int column) const {
        return row_places && gemm_is_two_chains(row_places[row], column_places[column]);
    }
};

// What a block's chain meets: C, 0 (+0 + -0 is +0), or nothing.
enum AddTo { ADD_TO_OUTPUT, ADD_TO_ZERO, ADD_TO_NOTHING };

// C = chain, or what it is added to + chain; then + bias per row if there is one (not null).
template <class T, class How>
CPM_DEVICE void add_to_output(const float (&sum)[8][8], const Output& c, AddTo to, const float* bias, int id) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int row = c.first_row + T::row(id) + i % 4 + i / 4 * T::QUARTER_ROWS;
        if (row >= c.rows) continue;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int column = c.first_column + T::column(id) + half * T::QUARTER_COLUMNS;
            float* at = c.data + (long long)row * c.columns + column;
            const int count = c.kept - column;
            float value[4] = {};
            if (to == ADD_TO_OUTPUT && c.whole && count >= 4) {
                read4(at, value);
            } else if (to == ADD_TO_OUTPUT) {
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (j < count) value[j] = at[j];
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const float chain = sum[i][half * 4 + j];
                value[j] = to == ADD_TO_NOTHING ? chain : value[j] + chain;
            }
            if (bias) {
                const float shift = bias[row];
#pragma unroll
                for (int j = 0; j < 4; j++) value[j] = value[j] + shift;
            }
#pragma unroll
            for (int j = 0; j < 4; j++) value[j] = with_nan_of_x86(value[j]);
            if (!How::LEAVES_SOME && c.whole && count >= 4) {
                write4(at, value);
            } else {
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (j < count && !(How::LEAVES_SOME && c.leaves_alone(row, column + j))) at[j] = value[j];
            }
        }
    }
}

// A whole product for one tile: all blocks over k in [0, depth).
template <class T, class How, class Threads>
CPM_DEVICE void multiply_tile(Threads& threads, Panels<T>& panels, int depth, GemmRule rule, const Output& c, bool onto,
                              const float* bias) {
#pragma unroll 1
    for (int begin = 0; begin < depth && c.first_column < c.kept;) {
        const int end = begin + gemm_block(depth - begin, rule);
        multiply_block<T, How>(threads, panels, begin, end);
        const AddTo to = onto || begin > 0 ? ADD_TO_OUTPUT : rule.q ? ADD_TO_ZERO : ADD_TO_NOTHING;
        threads.phase([&](auto& thread, int id) {
            add_to_output<T, How>(thread.sum, c, to, end == depth ? bias : nullptr, id);
        });
        begin = end;
    }
}
