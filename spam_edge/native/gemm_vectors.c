/* int8 GEMM with its sums in vector registers, for all sets but AMX. linear.c has the mathematics.
 *
 * A GEMM tile is up to TILE rows of q by one panel, with all its sums in registers. Weights are packed as (panels,
 * depth / GROUP, PANEL, GROUP): one instruction sums GROUP adjacent products. */

#include "gemm.h"

#ifndef SPAM_EDGE_TILES

#include <string.h>

enum { TILE = 6 };                /* rows of quantised values per GEMM tile; TILE x VECTORS sums fit in registers */
enum { VECTORS = PANEL / LANES }; /* vectors per row of a tile */

/* Prefetch of the next panel, spread over the tiles of this one to hide memory latency. It may run past the end of the
 * weights, which is harmless: a prefetch never faults. */
typedef struct {
    const char *from;
    size_t stretch; /* bytes to advance per column group */
    int lines;      /* cache lines to fetch per column group; a constant after inlining */
} Ahead;

/* Fetches what belongs to one column group, into the second-level cache. */
INLINED void fetch(Ahead *ahead) {
#pragma GCC unroll 4
    for (int line = 0; line < ahead->lines; line++) __builtin_prefetch(ahead->from + line * 64, 0, 2);
    ahead->from += ahead->stretch;
}

#if defined SPAM_EDGE_NEON
#include "simd/products_neon.h"
#elif defined SPAM_EDGE_DOTPROD
#include "simd/products_dotprod.h"
#elif defined SPAM_EDGE_I8MM
#include "simd/products_i8mm.h"
#elif defined SPAM_EDGE_AVX2
#include "simd/products_avx2.h"
#elif defined SPAM_EDGE_AVX_VNNI
#include "simd/products_avx_vnni.h"
#else
#include "simd/products_avx512.h"
#endif

VECTORISED void pack_panels(Linear *linear, const int8_t *weights) {
    for (size_t first = 0; first < padded(linear->outputs); first += PANEL) pack_panel(linear, weights, first);
}

#ifndef OWN_SUM_PRODUCTS
/* Computes the sums (rows, PANEL) of a tile, from values (rows, depth) and one panel. `rows` is a constant after
 * inlining, and the loops over it are unrolled, or the compiler would keep the sums in memory. */
INLINED void sum_products(const Step *values, size_t depth, const int8_t *panel, const int32_t *starts, int rows,
                          Ahead ahead, Integers sums[TILE][VECTORS]) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
        const Integers start = v_load_integers(starts + v * LANES);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) sums[r][v] = start;
    }
    for (size_t column = 0; column < depth; column += GROUP) {
        Integers weights[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) weights[v] = v_load_weights(panel + column * PANEL, v);
        fetch(&ahead);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            const Integers steps = v_load_steps(values + (size_t)r * depth + column);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) sums[r][v] = v_add_products(sums[r][v], steps, weights[v]);
        }
    }
}
#endif

/* Computes one tile of the output: `rows_of_steps` rows of quantised values by one panel. With `fine` (16 bits), two
 * such rows, coarse and fine, make one row of output. Both are constants after inlining. */
INLINED void multiply_tile(const Linear *linear, const Quantized *rows, size_t row, size_t panel, int rows_of_steps,
                           int fine, Ahead ahead, float *output, size_t stride, const GeluTable *gelu) {
    const size_t depth = linear->input.depth, first = panel * PANEL;
    Integers sums[TILE][VECTORS];
    sum_products(rows->values + row * (fine ? 2 : 1) * depth, depth, linear->packed + first * depth,
                 linear->starts + first, rows_of_steps, ahead, sums);
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
        const size_t at = first + (size_t)v * LANES;
        const Floats scale = v_load(linear->scales + at), bias = v_load(linear->bias + at);
#pragma GCC unroll 6
        for (int r = 0; r < (fine ? rows_of_steps / 2 : rows_of_steps); r++) {
            const Integers coarse = sums[fine ? 2 * r : r][v], finer = sums[fine ? 2 * r + 1 : r][v];
            const Floats value = rescale(linear, rows, row + (size_t)r, fine, coarse, finer, scale, bias);
            v_store(output + (row + (size_t)r) * stride + at, gelu ? gelu_of(gelu, value) : value);
        }
    }
}

/* Computes panels `from` to `to` - 1 of the output. `fine` and `lines` are constants after inlining. */
INLINED void multiply(const Linear *linear, size_t from, size_t to, const Quantized *rows, size_t count, float *output,
                      size_t stride, const GeluTable *gelu, int fine, int lines) {
    const size_t per_row = fine ? 2 : 1, whole = TILE / per_row, tiles = (count + whole - 1) / whole;
    const size_t bytes = linear->input.depth * PANEL, stretch = (GROUP * PANEL + tiles - 1) / tiles;
    for (size_t panel = from; panel < to; panel++) {
        Ahead ahead = {(const char *)linear->packed + (panel + 1) * bytes, stretch, lines};
        size_t row = 0;
        for (; row + whole <= count; row += whole, ahead.from += bytes / tiles)
            multiply_tile(linear, rows, row, panel, TILE, fine, ahead, output, stride, gelu);
        switch ((count - row) * per_row) {
            case 5: multiply_tile(linear, rows, row, panel, 5, fine, ahead, output, stride, gelu); break;
            case 4: multiply_tile(linear, rows, row, panel, 4, fine, ahead, output, stride, gelu); break;
            case 3: multiply_tile(linear, rows, row, panel, 3, fine, ahead, output, stride, gelu); break;
            case 2: multiply_tile(linear, rows, row, panel, 2, fine, ahead, output, stride, gelu); break;
            case 1: multiply_tile(linear, rows, row, panel, 1, fine, ahead, output, stride, gelu); break;
            default: break;
        }
    }
}

VECTORISED void linear_multiply(const Linear *linear, size_t from, size_t to, const Quantized *rows, size_t count,
                                float *output, size_t stride, const GeluTable *gelu) {
    if (count == 0) return; /* multiply() divides by the number of tiles */
    const int fine = linear->input.limit > 0, few = count * (fine ? 2 : 1) <= 3 * TILE;
    if (fine && few)
        multiply(linear, from, to, rows, count, output, stride, gelu, 1, LINES);
    else if (fine)
        multiply(linear, from, to, rows, count, output, stride, gelu, 1, 1);
    else if (few)
        multiply(linear, from, to, rows, count, output, stride, gelu, 0, LINES);
    else
        multiply(linear, from, to, rows, count, output, stride, gelu, 0, 1);
}

#endif
