/* What the int8 GEMMs of 128 bits share: the packing of weights for signed activations.
 *
 * vectors.h specifies the functions without a comment. */

#ifndef SPAM_EDGE_PRODUCTS_128_H
#define SPAM_EDGE_PRODUCTS_128_H

/* The weights of a column for the outputs of the panel that begins at `first`, 0 beyond columns and outputs. */
INLINED int8x16_t load_panel_row(const Linear *linear, const int8_t *weights, size_t column, size_t first) {
    const size_t outputs = linear->outputs;
    int8_t values[PANEL] = {0};
    if (column >= linear->input.columns) return vdupq_n_s8(0);
    const int8_t *row = weights + column * outputs + first;
    if (outputs - first >= PANEL) return vld1q_s8(row);
    memcpy(values, row, outputs - first);
    return vld1q_s8(values);
}

/* Adds factor x row, by output. */
INLINED Integers add_row(Integers sums, int8x16_t row, int16_t factor) {
    const int16x8_t low = vmovl_s8(vget_low_s8(row)), high = vmovl_high_s8(row);
    return (Integers){{vmlal_n_s16(sums.quarters[0], vget_low_s16(low), factor),
                       vmlal_high_n_s16(sums.quarters[1], low, factor),
                       vmlal_n_s16(sums.quarters[2], vget_low_s16(high), factor),
                       vmlal_high_n_s16(sums.quarters[3], high, factor)}};
}

/* Transposes weights (4 columns, PANEL) to (PANEL, 4). */
INLINED Integers interleave(const int8x16_t rows[4]) {
    const int8x16x2_t first = vzipq_s8(rows[0], rows[1]), second = vzipq_s8(rows[2], rows[3]);
    const int16x8x2_t low = vzipq_s16(vreinterpretq_s16_s8(first.val[0]), vreinterpretq_s16_s8(second.val[0]));
    const int16x8x2_t high = vzipq_s16(vreinterpretq_s16_s8(first.val[1]), vreinterpretq_s16_s8(second.val[1]));
    return (Integers){{vreinterpretq_s32_s16(low.val[0]), vreinterpretq_s32_s16(low.val[1]),
                       vreinterpretq_s32_s16(high.val[0]), vreinterpretq_s32_s16(high.val[1])}};
}

INLINED void store_integers(int32_t *to, Integers x) {
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) vst1q_s32(to + 4 * q, x.quarters[q]);
}

INLINED void store_bytes(int8_t *to, Integers x) {
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) vst1q_s8(to + 16 * q, vreinterpretq_s8_s32(x.quarters[q]));
}

#endif
