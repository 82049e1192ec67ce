/* int8 GEMM for NEON without dot products. SMULL and SMLSL make the difference of two s8 x s8 products in 16 bits, and
 * SADALP adds pairs of differences in int32. A sum of two products would not fit: (-128)(-128) twice is 2^15. So the
 * second step is stored as its complement c = -1 - s. Then s w = -w - c w, and a - c w of any bytes is at most 32,640.
 * What is missing, -w, is a constant of the weights, and part of the initial sums.
 *
 * vectors.h specifies all functions. */

#ifndef SPAM_EDGE_PRODUCTS_NEON_H
#define SPAM_EDGE_PRODUCTS_NEON_H

#include "products_128.h"

enum { GROUP = 4 }; /* columns per SMULL, SMLSL and SADALP */
enum { LINES = GROUP * PANEL / 64 };

/* A group has columns 0 and 1 of the panel, (PANEL, 2), then columns 2 and 3. Sums start from what their steps lack: with
 * s for q - 128, (128 - z) w in all columns, and -w in columns 2 and 3. */
VECTORISED static void pack_panel(Linear *linear, const int8_t *weights, size_t first) {
    const size_t depth = linear->input.depth;
    const int16_t shift = (int16_t)(128 - zero_point(&linear->input));
    Integers sums = {{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
    for (size_t column = 0; column < depth; column += 2) {
        const int8x16_t row = load_panel_row(linear, weights, column, first);
        const int8x16_t next = load_panel_row(linear, weights, column + 1, first);
        const int16_t factor = (int16_t)(column % GROUP ? shift - 1 : shift);
        int8_t *to = linear->packed + first * depth + column * PANEL;
        vst1q_s8(to, vzip1q_s8(row, next));
        vst1q_s8(to + 16, vzip2q_s8(row, next));
        sums = add_row(add_row(sums, row, factor), next, factor);
    }
    store_integers(linear->starts + first, sums);
}

#define OWN_SUM_PRODUCTS

enum { ROWS = 3 }; /* rows at once: 12 sums, 4 registers of weights, 2 of steps and the products fit in 32 */

/* Two steps, eight times. Where clang knows that the halves are equal, it moves the high halves of weights to low ones first,
 * and uses SMULL instead of SMULL2. Assembly hides that. */
INLINED int8x16_t repeat(const Step *steps) {
    const struct {
        Step steps[2];
    } *two = (const void *)steps;
    int8x16_t all;
    __asm__("ld1r {%0.8h}, %1" : "=w"(all) : "Q"(*two));
    return all;
}

/* sum_products() for up to ROWS rows, a constant after inlining. */
INLINED void sum_some_products(const Step *values, size_t depth, const int8_t *panel, const int32_t *starts, int rows,
                               Ahead ahead, Integers sums[][VECTORS]) {
#pragma GCC unroll 3
    for (int r = 0; r < rows; r++) sums[r][0] = v_load_integers(starts);
    for (size_t column = 0; column < depth; column += GROUP) {
        const int8_t *group = panel + column * PANEL;
        const int8x16_t first[2] = {vld1q_s8(group), vld1q_s8(group + 16)};
        const int8x16_t second[2] = {vld1q_s8(group + 32), vld1q_s8(group + 48)};
        fetch(&ahead);
#pragma GCC unroll 3
        for (int r = 0; r < rows; r++) {
            const int8x16_t step = repeat(values + (size_t)r * depth + column);
            const int8x16_t complement = repeat(values + (size_t)r * depth + column + 2);
            int32x4_t *sum = sums[r][0].quarters;
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++) {
                int16x8_t low = vmull_s8(vget_low_s8(step), vget_low_s8(first[half]));
                int16x8_t high = vmull_high_s8(step, first[half]);
                low = vmlsl_s8(low, vget_low_s8(complement), vget_low_s8(second[half]));
                high = vmlsl_high_s8(high, complement, second[half]);
                sum[2 * half] = vpadalq_s16(sum[2 * half], low);
                sum[2 * half + 1] = vpadalq_s16(sum[2 * half + 1], high);
            }
        }
    }
}

INLINED void sum_products(const Step *values, size_t depth, const int8_t *panel, const int32_t *starts, int rows,
                          Ahead ahead, Integers sums[TILE][VECTORS]) {
#pragma GCC unroll 2
    for (int r = 0; r < rows; r += ROWS) {
        sum_some_products(values + (size_t)r * depth, depth, panel, starts, rows - r < ROWS ? rows - r : ROWS, ahead,
                          sums + r);
        ahead.lines = 0;
    }
}

#endif
