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
 * The products are computed by gemm_vectors.c or, with AMX, gemm_tiles.c. Both take the outputs by panels of PANEL:
 * panels are the outer loop, so that the weights of a panel stay in the cache for all rows. */

#include "linear.h"

#include <stdlib.h>
#include <string.h>

#include "aligned.h"
#include "gemm.h"
#include "simd/vectors.h"

void linear_pack_weights(const int8_t *weights, size_t columns, size_t outputs, int8_t *packed) {
    const size_t depth = deepened(columns), width = padded(outputs);
    int32_t *starts = (int32_t *)(packed + depth * width), *sums = starts + width;
    const Quantizer input = {.columns = columns, .depth = depth};
    Linear linear = {.input = input, .outputs = outputs, .packed = packed, .starts = starts};
    memset(starts, 0, 2 * width * sizeof *starts);
    pack_panels(&linear, weights);
    if (sizeof(Step) > 1) return; /* it excludes the zero point */
    for (size_t column = 0; column < columns; column++, weights += outputs)
        for (size_t i = 0; i < outputs; i++) sums[i] += weights[i];
}

int linear_pack(Linear *linear, const int8_t *weights) {
    const size_t columns = linear->input.columns;
    size_t size;
    if (__builtin_mul_overflow(packed_rows(columns), padded(linear->outputs), &size) ||
        __builtin_add_overflow(size, ALIGNMENT, &size))
        return -1;
    linear->memory = malloc(size);
    if (!linear->memory) return -1;
    linear->packed = aligned(linear->memory);
    linear_pack_weights(weights, columns, linear->outputs, linear->packed);
    return 0;
}

int linear_prepare(Linear *linear, const float *scales, const float *bias) {
    const size_t outputs = linear->outputs, width = padded(outputs);
    const uint32_t *symmetric = (const uint32_t *)(linear->packed + linear->input.depth * width);
    const uint32_t less = (uint32_t)(SYMMETRIC_ZERO - zero_point(&linear->input));
    linear->starts = calloc(width, sizeof *linear->starts);
    linear->scales = calloc(width, sizeof *linear->scales);
    linear->bias = calloc(width, sizeof *linear->bias);
    if (!linear->starts || !linear->scales || !linear->bias) return -1;
    for (size_t i = 0; i < width; i++) linear->starts[i] = (int32_t)(symmetric[i] + less * symmetric[width + i]);
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
