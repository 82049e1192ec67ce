/* int8 GEMM for NEON with dot products: SDOT adds four s8 x s8 products to each int32, without saturation.
 *
 * vectors.h specifies all functions. */

#ifndef SPAM_EDGE_PRODUCTS_DOTPROD_H
#define SPAM_EDGE_PRODUCTS_DOTPROD_H

#include "products_128.h"

enum { GROUP = 8 }; /* columns of two SDOT */
enum { LINES = GROUP * PANEL / 64 };

/* Quantised values exclude 128 instead of the zero point, so sums start from the difference's contribution. */
VECTORISED static void pack_panel(Linear *linear, const int8_t *weights, size_t first) {
    const size_t depth = linear->input.depth;
    const int16_t shift = (int16_t)(128 - zero_point(&linear->input));
    Integers sums = {{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
    for (size_t column = 0; column < depth; column += 4) {
        int8x16_t rows[4];
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++) {
            rows[i] = load_panel_row(linear, weights, column + i, first);
            sums = add_row(sums, rows[i], shift);
        }
        store_bytes(linear->packed + first * depth + column * PANEL, interleave(rows));
    }
    store_integers(linear->starts + first, sums);
}

#define OWN_SUM_PRODUCTS

/* Each register of weights is multiplied by all rows. SDOT by element takes the steps as they are in memory. */
INLINED void sum_products(const Step *values, size_t depth, const int8_t *panel, const int32_t *starts, int rows,
                          Ahead ahead, Integers sums[TILE][VECTORS]) {
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) sums[r][0] = v_load_integers(starts);
    for (size_t column = 0; column < depth; column += GROUP) {
        int8x8_t steps[TILE];
        fetch(&ahead);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) steps[r] = vld1_s8(values + (size_t)r * depth + column);
#pragma GCC unroll 8
        for (int each = 0; each < 8; each++) { /* quarters 0 to 3 with four columns, then with the next four */
            const int8x16_t weights = vld1q_s8(panel + column * PANEL + 16 * each);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                int32x4_t *sum = &sums[r][0].quarters[each % 4];
                *sum = each < 4 ? vdotq_lane_s32(*sum, weights, steps[r], 0) : vdotq_lane_s32(*sum, weights, steps[r], 1);
            }
        }
    }
}

#endif
