/* int8 GEMM: y (R, N) = x (R, C) W (C, N) + b, for R rows, C channels and N outputs.
 *
 * K columns hold the C channels after splitting, padded with zeros to `depth`. Row r of x is quantised to q (R, K) with
 * zero point z and scale s[r]; output n has the weights w (K, N) and the scale t[n]:
 *
 *   8 bits    y[r][n] = sum[r][n] t[n] s[r] + b[n],   sum[r][n] = sum over k of (q[r][k] - z) w[k][n]
 *   16 bits   y[r][n] = (coarse sum + fine sum / 254) t[n] step + b[n], with one step for all rows
 *
 * Sums are exact in int32: |(q - z) w| is at most 223 x 128, so columns may be up to DEEPEST. Exact sums do not depend
 * on their order, and the rescaling in fp32 is the same for every instruction set, so y is bit-identical.
 *
 * A panel is PANEL outputs. A GEMM tile is up to TILE rows of q by one panel, with all its sums in registers. Panels
 * are the outer loop, so that the weights of a panel stay in the cache for all rows. */

#include "linear.h"

#include <stdlib.h>
#include <string.h>

#include "aligned.h"
#include "gelu.h"
#include "simd/vectors.h"

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

int linear_pack(Linear *linear, const int8_t *weights, const float *scales, const float *bias) {
    const size_t outputs = linear->outputs, width = padded(outputs);
    size_t size;
    if (__builtin_mul_overflow(linear->input.depth, width, &size) || __builtin_add_overflow(size, ALIGNMENT, &size))
        return -1;
    linear->memory = malloc(size);
    linear->starts = calloc(width, sizeof *linear->starts);
    linear->scales = calloc(width, sizeof *linear->scales);
    linear->bias = calloc(width, sizeof *linear->bias);
    if (!linear->memory || !linear->starts || !linear->scales || !linear->bias) return -1;
    linear->packed = aligned(linear->memory);
    for (size_t first = 0; first < width; first += PANEL) pack_panel(linear, weights, first);
    memcpy(linear->scales, scales, outputs * sizeof *scales);
    if (bias) memcpy(linear->bias, bias, outputs * sizeof *bias);
    return 0;
}

void linear_free(Linear *linear) {
    free(linear->memory);
    free(linear->starts);
    free(linear->scales);
    free(linear->bias);
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
    const float step = coarse_step(&linear->input);
    Integers sums[TILE][VECTORS];
    sum_products(rows->values + row * (fine ? 2 : 1) * depth, depth, linear->packed + first * depth,
                 linear->starts + first, rows_of_steps, ahead, sums);
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
        const size_t at = first + (size_t)v * LANES;
        const Floats scale = v_load(linear->scales + at), bias = v_load(linear->bias + at);
#pragma GCC unroll 6
        for (int r = 0; r < (fine ? rows_of_steps / 2 : rows_of_steps); r++) {
            Floats value;
            if (fine) {
                value = v_multiply_add(v_floats(sums[2 * r + 1][v]), v_all(1 / FINER), v_floats(sums[2 * r][v]));
                value = v_multiply_add(value, v_multiply(scale, v_all(step)), bias);
            } else {
                value = v_multiply(v_floats(sums[r][v]), scale);
                value = v_multiply_add(value, v_all(rows->scales[row + (size_t)r]), bias);
            }
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

/* Adds up to STRIDE products of a row with weights to four vectors of sums, with fused multiply-add. `whole` is a
 * constant after inlining. */
INLINED void add_products(int whole, const float *row, const float *weights, size_t from, size_t channels,
                          Floats sums[4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = from + (size_t)v * LANES;
        const Lanes mask = lanes_of(whole, at, channels);
        sums[v] = v_multiply_add(v_load_some(mask, row + at), v_load_some(mask, weights + at), sums[v]);
    }
}

VECTORISED void linear_complete(const Linear *linear, const float *rows, size_t stride, size_t count, float *output,
                                size_t output_stride) {
    const size_t channels = linear->input.channels;
    for (size_t row = 0; row < count; row++) {
        const float *values = rows + row * stride;
        for (size_t each = 0; each < linear->completed; each++) {
            const float *remainder = linear->remainder + each * channels;
            Floats sums[4];
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++) sums[v] = v_zero();
            size_t i = 0;
            for (; i + STRIDE <= channels; i += STRIDE) add_products(1, values, remainder, i, channels, sums);
            if (i < channels) add_products(0, values, remainder, i, channels, sums);
            int32_t at;
            memcpy(&at, (const char *)linear->completed_outputs + each * sizeof at, sizeof at);
            output[row * output_stride + (size_t)at] += v_sum(sum_of_four(sums));
        }
    }
}
