// Matrix products on the host (see gemm_host.h), and the C function for one product.

#include "exact/gemm_host.h"

void run_tile(CpuVersion version, int depth, const float* a, const float* b, const Tile& tile) {
#if CPM_X86
    if (version == CPU_AVX512) return tile_avx512(depth, a, b, tile);
    if (version == CPU_AVX2) return tile_avx2(depth, a, b, tile);
#endif
    tile_portable(depth, a, b, tile);
}

Floats pack_rows(const StridedMatrix& a, int rows, int depth, GemmRule rule, int threads) {
    const int panels = panels_of(rows, TILE_ROWS);
    Floats packed = floats((size_t)panels * TILE_ROWS * depth);
    parallel_for(threads, panels, [&](Index panel) {
        const int first = (int)panel * TILE_ROWS, count = rows - first < TILE_ROWS ? rows - first : TILE_ROWS;
        for (int start = 0, length; start < depth; start += length) {
            length = gemm_block(depth - start, rule);
            float* out = packed.get() + ((size_t)start * panels + panel * length) * TILE_ROWS;
            const float* in = a.data + first * a.row + start * a.column;
            for (int k = 0; k < length; k++, in += a.column, out += TILE_ROWS)
                for (int i = 0; i < TILE_ROWS; i++) out[i] = i < count ? in[i * a.row] : 0.0f;
        }
    });
    return packed;
}

static void copy_run(const float* source, float* target, int count, CpuVersion version) {
#if CPM_X86
    if (version == CPU_AVX512) return copy_avx512(source, target, count);
#endif
    memcpy(target, source, sizeof(float) * count);
}

void pack_columns(const OffsetMatrix& b, Index start, int depth, Index first, int count, CpuVersion version,
                  float* panel) {
    const Index *row = b.row + start, *column = b.column + first;
    for (int n = 0, run; n < count; n += run) {
        run = 1;
        while (n + run < count && column[n + run] == column[n] + run) run++;
        const float* source = b.base + column[n];
        float* target = panel + n;
        if (run == 1)
            for (int k = 0; k < depth; k++) target[k * TILE_COLUMNS] = source[row[k]];
        else
            for (int k = 0; k < depth; k++) copy_run(source + row[k], target + k * TILE_COLUMNS, run, version);
    }
    for (int k = 0; k < depth && count < TILE_COLUMNS; k++)
        memset(panel + k * TILE_COLUMNS + count, 0, sizeof(float) * (TILE_COLUMNS - count));
}

// Panels of B that one task takes, so that a block of A stays in the cache for all of them.
constexpr int PANELS_PER_TASK = 6;

void gemm_packed(const float* packed_a, const OffsetMatrix& b, int rows, Index columns, int depth, GemmRule rule,
                 bool accumulate, float* c, Index stride, const GemmSettings& settings) {
    const int row_panels = panels_of(rows, TILE_ROWS), column_panels = panels_of(columns, TILE_COLUMNS);
    const int longest = rule.q && depth > rule.q ? rule.q + rule.unit : depth;
    parallel_for(settings.threads, panels_of(column_panels, PANELS_PER_TASK), [&](Index task) {
        Floats panel = floats((size_t)longest * TILE_COLUMNS);
        const Index last = (task + 1) * PANELS_PER_TASK < column_panels ? (task + 1) * PANELS_PER_TASK : column_panels;
        for (int start = 0, length; start < depth; start += length) {
            length = gemm_block(depth - start, rule);
            for (Index j = task * PANELS_PER_TASK; j < last; j++) {
                const Index first = j * TILE_COLUMNS;
                const int count = (int)(columns - first < TILE_COLUMNS ? columns - first : TILE_COLUMNS);
                pack_columns(b, start, length, first, count, settings.version, panel.get());
                for (int i = 0; i < row_panels; i++) {
                    const int top = i * TILE_ROWS, height = rows - top < TILE_ROWS ? rows - top : TILE_ROWS;
                    const float* a = packed_a + ((size_t)start * row_panels + (size_t)i * length) * TILE_ROWS;
                    run_tile(settings.version, length, a, panel.get(),
                             Tile{c + top * stride + first, stride, height, count,
                                  tile_use(start == 0, accumulate, rule)});
                }
            }
        }
    });
}

void gemm_lanes(const StridedMatrix& a, const OffsetMatrix& b, int rows, Index first, Index columns,
                int depth, bool accumulate, float* c, Index stride) {
    std::vector<float> column(depth);
    for (Index n = first; n < columns; n++) {
        for (int k = 0; k < depth; k++) column[k] = b.base[b.row[k] + b.column[n]];
        for (int m = 0; m < rows; m++) {
            float& out = c[m * stride + n];
            out = gemm_lanes_element(a.data + m * a.row, a.column, column.data(), 1, depth,
                                     gemm_halves_first(m, n, rows, columns), out, accumulate);
        }
    }
}

extern "C" {

int cpm_cpu_version() { return cpu_version(); }

int cpm_gemm_block(int left, int q, int unit) { return gemm_block(left, GemmRule{q, unit}); }

// a: element (m, k) at m * a_row + k * a_column; b: (k, n) at k * b_row + n * b_column; c: rows x columns.
// form: a GemmForm, how the factors are stored.
void cpm_gemm(const float* a, Index a_row, Index a_column, const float* b, Index b_row, Index b_column, int rows,
              int columns, int depth, int form, int accumulate, int q, int unit, int threads, int version, float* c) {
    const GemmForm kind = (GemmForm)form;
    const StridedMatrix left{a, a_row, a_column};
    const std::vector<Index> row = linear_offsets(depth, b_row), column = linear_offsets(columns, b_column);
    const OffsetMatrix right{b, row.data(), column.data()};
    const GemmRule rule = gemm_rule(kind, rows, columns, depth, GemmRule{q, unit});
    const Index lanes = gemm_lanes_from(kind, rows, columns, depth);
    gemm_lanes(left, right, rows, lanes, columns, depth, accumulate, c, columns);
    if (lanes == 0) return;
    const Floats packed = pack_rows(left, rows, depth, rule, threads);
    gemm_packed(packed.get(), right, rows, lanes, depth, rule, accumulate, c, columns,
                GemmSettings{{q, unit}, threads, (CpuVersion)version});
}

// The same by the element functions alone, to compare with.
void cpm_gemm_elements(const float* a, Index a_row, Index a_column, const float* b, Index b_row, Index b_column,
                       int rows, int columns, int depth, int form, int accumulate, int q, int unit, float* c) {
    const GemmForm kind = (GemmForm)form;
    const GemmRule rule = gemm_rule(kind, rows, columns, depth, GemmRule{q, unit});
    const Index lanes = gemm_lanes_from(kind, rows, columns, depth);
    for (int m = 0; m < rows; m++)
        for (int n = 0; n < columns; n++, c++) {
            const float *left = a + m * a_row, *right = b + n * b_column;
            *c = n < lanes ? gemm_chain_element(left, a_column, right, b_row, depth, rule, *c, accumulate)
                           : gemm_lanes_element(left, a_column, right, b_row, depth,
                                                gemm_halves_first(m, n, rows, columns), *c, accumulate);
        }
}
}
