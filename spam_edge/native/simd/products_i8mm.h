/* int8 GEMM for NEON with matrix products: SMMLA adds the products of two rows of eight s8 and two outputs of eight s8 to
 * four int32, without saturation.
 *
 * vectors.h specifies all functions. */

#ifndef SPAM_EDGE_PRODUCTS_I8MM_H
#define SPAM_EDGE_PRODUCTS_I8MM_H

#include "products_128.h"

enum { GROUP = 8 }; /* columns per SMMLA */
enum { LINES = GROUP * PANEL / 64 };

/* Quantised values exclude 128 instead of the zero point, so sums start from the difference's contribution. */
VECTORISED static void pack_panel(Linear *linear, const int8_t *weights, size_t first) {
    const size_t depth = linear->input.depth;
    const int16_t shift = (int16_t)(128 - zero_point(&linear->input));
    Integers sums = {{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
    for (size_t column = 0; column < depth; column += GROUP) {
        int8x16_t rows[GROUP];
#pragma GCC unroll 8
        for (size_t i = 0; i < GROUP; i++) {
            rows[i] = load_panel_row(linear, weights, column + i, first);
            sums = add_row(sums, rows[i], shift);
        }
        const Integers low = interleave(rows), high = interleave(rows + 4);
        int8_t *to = linear->packed + first * depth + column * PANEL;
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) {
            const int32x4x2_t zipped = vzipq_s32(low.quarters[q], high.quarters[q]);
            vst1q_s8(to + 32 * q, vreinterpretq_s8_s32(zipped.val[0]));
            vst1q_s8(to + 32 * q + 16, vreinterpretq_s8_s32(zipped.val[1]));
        }
    }
    store_integers(linear->starts + first, sums);
}

#define OWN_SUM_PRODUCTS

/* The sums are in blocks of (2 rows, 2 outputs) until the end. The last of an odd number of rows is paired with itself. */
INLINED void sum_products(const Step *values, size_t depth, const int8_t *panel, const int32_t *starts, int rows,
                          Ahead ahead, Integers sums[TILE][VECTORS]) {
    int32x4_t blocks[TILE / 2][PANEL / 2];
    const int pairs = (rows + 1) / 2;
#pragma GCC unroll 8
    for (int each = 0; each < PANEL / 2; each++) {
        const int32x2_t start = vld1_s32(starts + 2 * each);
#pragma GCC unroll 3
        for (int pair = 0; pair < pairs; pair++) blocks[pair][each] = vcombine_s32(start, start);
    }
    for (size_t column = 0; column < depth; column += GROUP) {
        int8x16_t steps[TILE / 2];
        fetch(&ahead);
#pragma GCC unroll 3
        for (int pair = 0; pair < pairs; pair++) {
            const Step *row = values + (size_t)(2 * pair) * depth + column;
            steps[pair] = vcombine_s8(vld1_s8(row), vld1_s8(2 * pair + 1 < rows ? row + depth : row));
        }
#pragma GCC unroll 8
        for (int each = 0; each < PANEL / 2; each++) {
            const int8x16_t weights = vld1q_s8(panel + column * PANEL + 16 * each);
#pragma GCC unroll 3
            for (int pair = 0; pair < pairs; pair++)
                blocks[pair][each] = vmmlaq_s32(blocks[pair][each], steps[pair], weights);
        }
    }
#pragma GCC unroll 3
    for (int pair = 0; pair < pairs; pair++)
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) {
            const int32x4_t low = blocks[pair][2 * q], high = blocks[pair][2 * q + 1];
            sums[2 * pair][0].quarters[q] = vcombine_s32(vget_low_s32(low), vget_low_s32(high));
            sums[2 * pair + 1][0].quarters[q] = vcombine_s32(vget_high_s32(low), vget_high_s32(high));
        }
}

#endif
