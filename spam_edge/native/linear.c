#include "linear.h"

#include <stdlib.h>
#include <string.h>

#include "aligned.h"
#include "gelu.h"
#include "vectors.h"

#ifdef SPAM_EDGE_AVX2
#include "products_avx2.h"
#else
#include "products_avx512.h"
#endif

enum { TILE = 6 };                /* rows of steps whose sums stay in registers */
enum { VECTORS = PANEL / LANES }; /* registers for the outputs of a panel */

int linear_pack(Linear *linear, const int8_t *weights, const float *scales, const float *bias) {
    const size_t outputs = linear->outputs, width = padded(outputs);
    linear->memory = malloc(linear->input.depth * width + ALIGNMENT);
    linear->packed = aligned(linear->memory);
    linear->starts = calloc(width, sizeof *linear->starts);
    linear->scales = calloc(width, sizeof *linear->scales);
    linear->bias = calloc(width, sizeof *linear->bias);
    if (!linear->memory || !linear->starts || !linear->scales || !linear->bias) return -1;
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

/* What is fetched from memory while a tile is computed: a share of the next panel, spread over the whole tile, which
 * hides how far away the weights are. */
typedef struct {
    const char *from;
    size_t stretch; /* bytes from one group of four columns to the next */
    int lines;      /* of 64 bytes, fetched for each; a constant where this is inlined */
} Ahead;

/* Sums of products of `rows` rows with one panel. `rows` is a constant where this is
 * inlined, and the loops over it are unrolled, or the compiler would keep the sums in memory. */
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
#pragma GCC unroll 4
        for (int line = 0; line < ahead.lines; line++) _mm_prefetch(ahead.from + line * 64, _MM_HINT_T1);
        ahead.from += ahead.stretch;
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            const Integers steps = v_load_steps(values + (size_t)r * depth + column);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) sums[r][v] = v_add_products(sums[r][v], steps, weights[v]);
        }
    }
}

/* `rows_of_steps` rows of steps with one panel: as many rows of outputs, or half as many where `fine`. Both are
 * constants where this is inlined. */
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

/* `fine` and `lines` are constants where this is inlined. */
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
    if (count == 0) return; /* there is nothing to spread over */
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
            output[row * output_stride + (size_t)linear->completed_outputs[each]] += v_sum(sum_of_four(sums));
        }
    }
}
