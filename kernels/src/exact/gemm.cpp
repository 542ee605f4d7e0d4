// Matrix products on the host (see gemm_host.h), and the C function for one product.

#include <algorithm>

#include "exact/gemm_host.h"

template <bool FUSED>
static void run_chains(CpuVersion version, int depth, const float* a, const float* b, const Tile& tile) {
#if CPM_X86
    if (version == CPU_AVX512) return tile_avx512<FUSED>(depth, a, b, tile);
    if (version == CPU_AVX2) return tile_avx2<FUSED>(depth, a, b, tile);
#endif
    tile_portable<FUSED>(depth, a, b, tile);
}

static void run_chains(const GemmPlan& plan, int depth, const float* a, const float* b, const Tile& tile) {
    plan.rule.fused ? run_chains<true>(plan.settings.version, depth, a, b, tile)
                    : run_chains<false>(plan.settings.version, depth, a, b, tile);
}

// 4 x 8 results of two chains.
static void two_chains(const GemmPlan& plan, int depth, const float* a, const float* b, float* out) {
#if CPM_X86
    if (plan.rule.two == HASWELL_CHAINS && plan.settings.version != CPU_PORTABLE)
        return two_chains_avx2(depth, a, b, out);
#endif
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 8; j++)
            out[8 * i + j] = gemm_two_chains(
                0, depth, plan.rule.two, [&](int k) { return a[k * TILE_ROWS + i]; },
                [&](int k) { return b[k * TILE_COLUMNS + j]; });
}

// Puts the results of two chains where 4 x 8 of a tile's elements have them.
static void replace_two_chains(const GemmPlan& plan, const int* rows, const int* columns, int height, int width,
                               int depth, const float* a, const float* b, float* chains) {
    float two[32];
    bool computed = false;
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            if (!gemm_is_two_chains(rows[i], columns[j])) continue;
            if (!computed) two_chains(plan, depth, a, b, two);
            computed = true;
            chains[i * TILE_COLUMNS + j] = two[8 * i + j];
        }
}

static int smaller(Index a, Index b) { return (int)(a < b ? a : b); }

// Of 4 rows, any of their bits.
static int any_bits(const int* rows, int count) {
    int bits = 0;
    for (int i = 0; i < count; i++) bits |= rows[i] | rows[i] >> 8;
    return bits & 255;
}

void run_tile(const GemmPlan& plan, Index row, Index column, int depth, const float* a, const float* b,
              const Tile& tile) {
    if (!plan.places.any()) return run_chains(plan, depth, a, b, tile);
    float chains[TILE_ROWS * TILE_COLUMNS];
    run_chains(plan, depth, a, b, Tile{chains, TILE_COLUMNS, tile.rows, tile.columns, TILE_STORE});
    for (int i = 0; i < tile.rows; i += 4) {
        const int *rows = plan.places.rows.data() + row + i, height = smaller(tile.rows - i, 4);
        const int bits = any_bits(rows, height);
        for (int j = 0; j < tile.columns; j += 8)
            if (bits & plan.column_bits[(column + j) / 8])
                replace_two_chains(plan, rows, plan.places.columns.data() + column + j, height,
                                   smaller(tile.columns - j, 8), depth, a + i, b + j, chains + i * TILE_COLUMNS + j);
    }
    for (int i = 0; i < tile.rows; i++)
        for (int j = 0; j < tile.columns; j++) {
            float& c = tile.c[i * tile.stride + j];
            c = tile_result(chains[i * TILE_COLUMNS + j], c, tile.use);
        }
}

GemmPlan::GemmPlan(GemmForm form, Index m, Index n, Index k, const GemmSettings& settings)
    : rule(gemm_rule(form, m, n, k, settings.profile)),
      places(gemm_places(form, m, n, k, settings.profile)),
      settings(settings),
      column_bits(places.any() ? panels_of(n, 8) : 0) {
    for (size_t i = 0; i < places.columns.size(); i++) column_bits[i / 8] |= places.columns[i] & 255;
}

Floats pack_rows(const StridedMatrix& a, int rows, int depth, GemmRule rule, int threads) {
    const int panels = panels_of(rows, TILE_ROWS);
    Floats packed = floats((size_t)panels * TILE_ROWS * depth);
    parallel_for(threads, panels, [&](Index panel) {
        const int first = (int)panel * TILE_ROWS, count = rows - first < TILE_ROWS ? rows - first : TILE_ROWS;
        for (const auto [start, length] : gemm_blocks(depth, rule)) {
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

// B's panels in equal shares of at most `MOST`: a block of A stays in the cache for all of a share.
struct PanelShares {
    static constexpr Index MOST = 6;
    Index panels, count;

    PanelShares(Index panels, Index least)
        : panels(panels), count(std::min(panels, std::max<Index>(least, panels_of(panels, MOST)))) {}

    Index begin(Index share) const { return share * panels / count; }
};

// A by pack_rows times B, which is packed as it is read, in shares of its columns.
struct PackedProduct {
    const float* a;
    const OffsetMatrix& b;
    int rows;
    Index columns;
    const GemmPlan& plan;
    PanelShares shares;

    Index first_column(Index share) const { return std::min(shares.begin(share) * TILE_COLUMNS, columns); }
    Index width(Index share) const { return first_column(share + 1) - first_column(share); }

    // One block's part of a share; `c` is where the share begins.
    void multiply(GemmBlock block, Index share, float* c, Index stride, TileUse use) const {
        const int row_panels = panels_of(rows, TILE_ROWS);
        const Floats panel = floats((size_t)block.length * TILE_COLUMNS);
        const float* block_a = a + (size_t)block.start * row_panels * TILE_ROWS;
        const Index last = first_column(share + 1);
        for (Index first = first_column(share); first < last; first += TILE_COLUMNS, c += TILE_COLUMNS) {
            const int count = smaller(last - first, TILE_COLUMNS);
            pack_columns(b, block.start, block.length, first, count, plan.settings.version, panel.get());
            for (int i = 0; i < row_panels; i++) {
                const int top = i * TILE_ROWS;
                run_tile(plan, top, first, block.length, block_a + (size_t)i * block.length * TILE_ROWS, panel.get(),
                         Tile{c + top * stride, stride, smaller(rows - top, TILE_ROWS), count, use});
            }
        }
    }
};

static void add_chains(const float* chains, int rows, Index columns, TileUse use, float* c, Index stride) {
    for (int row = 0; row < rows; row++, chains += columns, c += stride)
        for (Index i = 0; i < columns; i++) c[i] = tile_result(chains[i], c[i], use);
}

// Floats of the blocks that a thread computes before they are added: about what its cache holds.
constexpr Index CHAINS_OF_THREAD = 1 << 17;

// Several blocks at once, each into memory of its own, and added in their order. A block's chains start at 0 wherever
// they are kept, so these are the additions that blocks one after the other would make.
static void multiply_at_once(const PackedProduct& product, const std::vector<GemmBlock>& blocks, bool accumulate,
                             float* c, Index stride) {
    const int threads = product.plan.settings.threads;
    const Index shares = product.shares.count, count = (Index)blocks.size();
    const Index size = product.rows * std::min(product.columns, PanelShares::MOST * TILE_COLUMNS);
    const Index run = std::clamp<Index>(CHAINS_OF_THREAD / size, 1, panels_of(count * shares, 4 * threads));
    std::atomic<Index> next{0};
    InOrder sums(shares);
    parallel_for(threads, threads, [&](Index) {
        const Floats chains = floats(size * run);
        for (Index task = next++; task < panels_of(count, run) * shares; task = next++) {
            const Index turn = task / shares, share = task % shares, width = product.width(share);
            const Index first = turn * run, last = std::min(first + run, count);
            for (Index n = first; n < last; n++)
                product.multiply(blocks[n], share, chains.get() + (n - first) * size, width, TILE_STORE);
            sums.take(share, turn, [&] {
                for (Index n = first; n < last; n++) {
                    const TileUse use = tile_use(n == 0, accumulate, product.plan.rule);
                    add_chains(chains.get() + (n - first) * size, product.rows, width, use,
                               c + product.first_column(share), stride);
                }
            });
        }
    });
}

void gemm_packed(const float* packed_a, const OffsetMatrix& b, int rows, Index columns, int depth,
                 const GemmPlan& plan, bool accumulate, float* c, Index stride) {
    const int threads = plan.settings.threads;
    const std::vector<GemmBlock> blocks = gemm_blocks(depth, plan.rule);
    const PanelShares shares(panels_of(columns, TILE_COLUMNS), blocks.size() > 1 ? 1 : threads);
    const PackedProduct product{packed_a, b, rows, columns, plan, shares};
    const bool some_idle = shares.count < 2 * threads && shares.count % threads;
    if (some_idle && blocks.size() > 1) return multiply_at_once(product, blocks, accumulate, c, stride);
    parallel_for(threads, shares.count, [&](Index share) {
        for (const GemmBlock& block : blocks)
            product.multiply(block, share, c + product.first_column(share), stride,
                             tile_use(block.start == 0, accumulate, plan.rule));
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

// The length of the next block of k.
int cpm_gemm_block(int left, int form, long long m, long long n, long long k, int family, int threads) {
    return gemm_block(left, gemm_rule((GemmForm)form, m, n, k, BlasProfile{family, threads}));
}

// a: element (m, k) at m * a_row + k * a_column; b: (k, n) at k * b_row + n * b_column; c: rows x columns.
// form: a GemmForm, how the factors are stored.
void cpm_gemm(const float* a, Index a_row, Index a_column, const float* b, Index b_row, Index b_column, int rows,
              int columns, int depth, int form, int accumulate, int family, int family_threads, int threads,
              int version, float* c) {
    const GemmForm kind = (GemmForm)form;
    const BlasProfile profile{family, family_threads};
    const StridedMatrix left{a, a_row, a_column};
    const std::vector<Index> row = linear_offsets(depth, b_row), column = linear_offsets(columns, b_column);
    const OffsetMatrix right{b, row.data(), column.data()};
    const Index lanes = gemm_lanes_from(kind, rows, columns, depth, profile);
    gemm_lanes(left, right, rows, lanes, columns, depth, accumulate, c, columns);
    if (lanes == 0) return;
    const GemmPlan plan(kind, rows, columns, depth, GemmSettings{profile, threads, (CpuVersion)version});
    const Floats packed = pack_rows(left, rows, depth, plan.rule, threads);
    gemm_packed(packed.get(), right, rows, lanes, depth, plan, accumulate, c, columns);
}

// The same by the element functions alone, to compare with.
void cpm_gemm_elements(const float* a, Index a_row, Index a_column, const float* b, Index b_row, Index b_column,
                       int rows, int columns, int depth, int form, int accumulate, int family, int threads, float* c) {
    const GemmForm kind = (GemmForm)form;
    const BlasProfile profile{family, threads};
    const GemmRule rule = gemm_rule(kind, rows, columns, depth, profile);
    const GemmPlaces places = gemm_places(kind, rows, columns, depth, profile);
    const Index lanes = gemm_lanes_from(kind, rows, columns, depth, profile);
    for (int m = 0; m < rows; m++)
        for (int n = 0; n < columns; n++, c++) {
            const float *left = a + m * a_row, *right = b + n * b_column;
            const bool two = places.any() && gemm_is_two_chains(places.rows[m], places.columns[n]);
            *c = n < lanes ? gemm_element(
                                 depth, rule, two, *c, accumulate, [&](int k) { return left[k * a_column]; },
                                 [&](int k) { return right[k * b_row]; })
                           : gemm_lanes_element(left, a_column, right, b_row, depth,
                                                gemm_halves_first(m, n, rows, columns), *c, accumulate);
        }
}
}
