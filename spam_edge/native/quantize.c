/* Quantises activations: x (rows, channels) in fp32 to q (rows x planes, depth) and scales (rows).
 *
 * The columns are x[c] shares[c] of each channel, then x[c] shares[c] + offsets[j] scale of each repeated column j of a
 * channel c, then zeros up to depth. For a column x, with rounding to nearest, halves to even, and clamping to a byte:
 *
 *   8 bits              scale = max |x| / 127,   q = round(x / scale) + 128
 *   8 bits, after GELU  scale = max x / 223,     q = round(x / scale) + 32
 *   16 bits             step = limit / 127,      coarse = round(x / step) + 128,
 *                                                fine = round(254 (x / step - (coarse - 128))) + 128
 *
 * The maximum is taken over first columns: repeated columns differ by their offset, less than half a step. With 16 bits
 * no channel is split. Divisions are multiplications by the reciprocal. Step says how q is stored; see
 * simd/vectors.h. */

#include "quantize.h"

#include <string.h>
static const float GELU_STEPS = 223, SMALLEST = 1e-12f, SMALLEST_AFTER_GELU = 0.17f / 32;

/* In the functions below, `whole` says that all STRIDE values from `from` on are in the row. It is a constant after
 * inlining, so that whole blocks need no masks. */

/* Loads up to STRIDE values of a row, multiplied by their channel-split factors; 0 beyond the row. */
INLINED void load_shares(int whole, const Quantizer *quantizer, const float *row, size_t from, Floats values[4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = from + (size_t)v * LANES;
        const Lanes mask = lanes_of(whole, at, quantizer->channels);
        values[v] = v_load_some(mask, row + at);
        if (quantizer->shares)
            values[v] = v_multiply(values[v], v_load_some(mask, quantizer->shares + at));
    }
}

/* Quantises up to STRIDE values to 16 bits. */
INLINED void quantize_finely(int whole, const Quantizer *quantizer, const float *row, size_t from, Step *coarse,
                             Step *fine) {
    const float step = coarse_step(quantizer);
    Floats values[4], steps[4];
    load_shares(whole, quantizer, row, from, values);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        steps[v] = v_multiply(values[v], v_all(1 / step));
        steps[v] = v_round(steps[v]);
        steps[v] = v_smaller(v_larger(steps[v], v_all(-128)), v_all(127));
        const Floats left = v_subtract_product(steps[v], v_all(step), values[v]);
        values[v] = v_multiply(left, v_all(FINER / step));
    }
    v_store_steps(whole, coarse, from, quantizer->channels, steps, SYMMETRIC_ZERO);
    v_store_steps(whole, fine, from, quantizer->channels, values, SYMMETRIC_ZERO);
}

/* Quantises a row to 16 bits: the rounding error of the coarse plane is quantised again, in steps 1/254 as large. */
VECTORISED static void quantize_in_two_planes(const Quantizer *quantizer, const float *row, Step *coarse,
                                              Step *fine) {
    size_t i = 0;
    for (; i + STRIDE <= quantizer->channels; i += STRIDE) quantize_finely(1, quantizer, row, i, coarse, fine);
    if (i < quantizer->channels) quantize_finely(0, quantizer, row, i, coarse, fine);
}

/* Updates the maximum of each lane. */
INLINED void find_largest(int whole, const Quantizer *quantizer, const float *row, size_t from, Floats largest[4]) {
    Floats values[4];
    load_shares(whole, quantizer, row, from, values);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++)
        largest[v] = v_larger(largest[v], quantizer->after_gelu ? values[v] : v_absolute(values[v]));
}

/* Returns the scale of a row, from its largest (absolute) value after channel splitting. A lower bound keeps a row of
 * zeros harmless and, after GELU, the negative values in range. */
VECTORISED static float step_of(const Quantizer *quantizer, const float *row) {
    Floats largest[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) largest[v] = v_zero();
    size_t i = 0;
    for (; i + STRIDE <= quantizer->channels; i += STRIDE) find_largest(1, quantizer, row, i, largest);
    if (i < quantizer->channels) find_largest(0, quantizer, row, i, largest);
    const float reached = v_largest(v_larger(v_larger(largest[0], largest[1]), v_larger(largest[2], largest[3])));
    if (quantizer->after_gelu)
        return (reached > SMALLEST_AFTER_GELU * GELU_STEPS ? reached / GELU_STEPS : SMALLEST_AFTER_GELU);
    return reached > SMALLEST * SYMMETRIC_STEPS ? reached / SYMMETRIC_STEPS : SMALLEST;
}

/* Quantises up to STRIDE first columns to 8 bits. */
INLINED void quantize_some(int whole, const Quantizer *quantizer, const float *row, size_t from, Floats inverse,
                           Step *to) {
    Floats values[4];
    load_shares(whole, quantizer, row, from, values);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) values[v] = v_multiply(values[v], inverse);
    v_store_steps(whole, to, from, quantizer->channels, values, zero_point(quantizer));
}

/* Quantises the repeated columns of split channels. */
INLINED void quantize_repeated(const Quantizer *quantizer, const float *row, Floats inverse, Step *to) {
    const size_t more = quantizer->columns - quantizer->channels;
    for (size_t from = 0; from < more; from += STRIDE) {
        Floats steps[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            const size_t at = from + (size_t)v * LANES;
            const Lanes mask = lanes(at, more);
            const Floats value = v_gather(mask, row, quantizer->repeated + at);
            const Floats share = v_gather(mask, quantizer->shares, quantizer->repeated + at);
            steps[v] = v_multiply_add(v_multiply(value, share), inverse,
                                       v_load_some(mask, quantizer->offsets + at));
        }
        v_store_steps(0, to + quantizer->channels, from, more, steps, zero_point(quantizer));
    }
}

/* Quantises a row to 8 bits and returns its scale. */
VECTORISED static float quantize_in_one_plane(const Quantizer *quantizer, const float *row, Step *to) {
    const float step = step_of(quantizer, row);
    const Floats inverse = v_all(1 / step);
    size_t i = 0;
    for (; i + STRIDE <= quantizer->channels; i += STRIDE) quantize_some(1, quantizer, row, i, inverse, to);
    if (i < quantizer->channels) quantize_some(0, quantizer, row, i, inverse, to);
    quantize_repeated(quantizer, row, inverse, to);
    return step;
}

void quantize_rows(const Quantizer *quantizer, const float *rows, size_t stride, size_t count, Quantized *to) {
    const size_t depth = quantizer->depth, filler = depth - quantizer->columns;
    for (size_t row = 0; row < count; row++) {
        Step *first = to->values + row * planes(quantizer) * depth;
        if (quantizer->limit > 0) {
            quantize_in_two_planes(quantizer, rows + row * stride, first, first + depth);
            memset(first + depth + quantizer->columns, 0, filler * sizeof(Step));
        } else {
            to->scales[row] = quantize_in_one_plane(quantizer, rows + row * stride, first);
        }
        memset(first + quantizer->columns, 0, filler * sizeof(Step)); /* weights are 0 there */
    }
}
