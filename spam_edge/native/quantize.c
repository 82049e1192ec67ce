#include "quantize.h"

#include <string.h>

#include "vectors.h"

static const float GELU_STEPS = 223, SMALLEST = 1e-12f, SMALLEST_AFTER_GELU = 0.17f / 32;

/* Rounds STRIDE values to the nearest step, halves to even, and stores those of `mask` as bytes. Packing works within
 * lanes of 128 bits, which are put in order afterwards. */
INLINED void store_steps(uint8_t *to, __mmask64 mask, const __m512 steps[4], int zero) {
    /* saturates at -128 and 127, which is where uint8 ends for a zero point of 128 */
    const __m512i shift = _mm512_set1_epi16((short)(zero - SYMMETRIC_ZERO));
    const __m512i low = _mm512_packs_epi32(_mm512_cvtps_epi32(steps[0]), _mm512_cvtps_epi32(steps[1]));
    const __m512i high = _mm512_packs_epi32(_mm512_cvtps_epi32(steps[2]), _mm512_cvtps_epi32(steps[3]));
    const __m512i bytes = _mm512_packs_epi16(_mm512_add_epi16(low, shift), _mm512_add_epi16(high, shift));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i sorted = _mm512_permutexvar_epi32(order, bytes);
    _mm512_mask_storeu_epi8(to, mask, _mm512_xor_si512(sorted, _mm512_set1_epi8((char)SYMMETRIC_ZERO)));
}

/* STRIDE values of a row, or what is left of it, times what one column has of its channel. `whole` is a constant where
 * this is inlined. */
INLINED void load_shares(int whole, const Quantizer *quantizer, const float *row, size_t from, __m512 values[4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = from + (size_t)v * LANES;
        const __mmask16 mask = lanes_of(whole, at, quantizer->channels);
        values[v] = _mm512_maskz_loadu_ps(mask, row + at);
        if (quantizer->shares)
            values[v] = _mm512_mul_ps(values[v], _mm512_maskz_loadu_ps(mask, quantizer->shares + at));
    }
}

INLINED void quantize_finely(int whole, const Quantizer *quantizer, const float *row, size_t from, uint8_t *coarse,
                             uint8_t *fine) {
    const float step = coarse_step(quantizer);
    const __mmask64 mask = bytes_of(whole, from, quantizer->channels);
    __m512 values[4], steps[4];
    load_shares(whole, quantizer, row, from, values);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        steps[v] = _mm512_mul_ps(values[v], _mm512_set1_ps(1 / step));
        steps[v] = _mm512_roundscale_ps(steps[v], _MM_FROUND_TO_NEAREST_INT);
        steps[v] = _mm512_min_ps(_mm512_max_ps(steps[v], _mm512_set1_ps(-128)), _mm512_set1_ps(127));
        const __m512 left = _mm512_fnmadd_ps(steps[v], _mm512_set1_ps(step), values[v]);
        values[v] = _mm512_mul_ps(left, _mm512_set1_ps(FINER / step));
    }
    store_steps(coarse + from, mask, steps, SYMMETRIC_ZERO);
    store_steps(fine + from, mask, values, SYMMETRIC_ZERO);
}

/* 16 bits: what rounding to coarse steps took away is rounded again, to steps 254 times as fine. */
VECTORISED static void quantize_in_two_planes(const Quantizer *quantizer, const float *row, uint8_t *coarse,
                                              uint8_t *fine) {
    size_t i = 0;
    for (; i + STRIDE <= quantizer->channels; i += STRIDE) quantize_finely(1, quantizer, row, i, coarse, fine);
    if (i < quantizer->channels) quantize_finely(0, quantizer, row, i, coarse, fine);
}

INLINED void find_largest(int whole, const Quantizer *quantizer, const float *row, size_t from, __m512 largest[4]) {
    __m512 values[4];
    load_shares(whole, quantizer, row, from, values);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++)
        largest[v] = _mm512_max_ps(largest[v], quantizer->after_gelu ? values[v] : _mm512_abs_ps(values[v]));
}

/* The step of a row: from its largest value, or its largest absolute value, after split channels were divided. */
VECTORISED static float step_of(const Quantizer *quantizer, const float *row) {
    __m512 largest[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) largest[v] = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + STRIDE <= quantizer->channels; i += STRIDE) find_largest(1, quantizer, row, i, largest);
    if (i < quantizer->channels) find_largest(0, quantizer, row, i, largest);
    const float reached = _mm512_reduce_max_ps(
        _mm512_max_ps(_mm512_max_ps(largest[0], largest[1]), _mm512_max_ps(largest[2], largest[3])));
    if (quantizer->after_gelu)
        return (reached > SMALLEST_AFTER_GELU * GELU_STEPS ? reached / GELU_STEPS : SMALLEST_AFTER_GELU);
    return reached > SMALLEST * SYMMETRIC_STEPS ? reached / SYMMETRIC_STEPS : SMALLEST;
}

INLINED void quantize_some(int whole, const Quantizer *quantizer, const float *row, size_t from, __m512 inverse,
                           uint8_t *to) {
    __m512 values[4];
    load_shares(whole, quantizer, row, from, values);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) values[v] = _mm512_mul_ps(values[v], inverse);
    store_steps(to + from, bytes_of(whole, from, quantizer->channels), values, zero_point(quantizer));
}

/* The columns of split channels beyond the first of each. */
INLINED void quantize_repeated(const Quantizer *quantizer, const float *row, __m512 inverse, uint8_t *to) {
    const size_t more = quantizer->columns - quantizer->channels;
    for (size_t from = 0; from < more; from += STRIDE) {
        __m512 steps[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            const size_t at = from + (size_t)v * LANES;
            const __mmask16 mask = lanes(at, more);
            const __m512i channel = _mm512_maskz_loadu_epi32(mask, quantizer->repeated + at);
            const __m512 value = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, channel, row, 4);
            const __m512 share = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, channel, quantizer->shares, 4);
            steps[v] = _mm512_fmadd_ps(_mm512_mul_ps(value, share), inverse,
                                       _mm512_maskz_loadu_ps(mask, quantizer->offsets + at));
        }
        store_steps(to + quantizer->channels + from, bytes_of(0, from, more), steps, zero_point(quantizer));
    }
}

VECTORISED static float quantize_in_one_plane(const Quantizer *quantizer, const float *row, uint8_t *to) {
    const float step = step_of(quantizer, row);
    const __m512 inverse = _mm512_set1_ps(1 / step);
    size_t i = 0;
    for (; i + STRIDE <= quantizer->channels; i += STRIDE) quantize_some(1, quantizer, row, i, inverse, to);
    if (i < quantizer->channels) quantize_some(0, quantizer, row, i, inverse, to);
    quantize_repeated(quantizer, row, inverse, to);
    return step;
}

void quantize_rows(const Quantizer *quantizer, const float *rows, size_t stride, size_t count, Quantized *to) {
    const size_t depth = quantizer->depth, filler = depth - quantizer->columns;
    for (size_t row = 0; row < count; row++) {
        uint8_t *first = to->values + row * planes(quantizer) * depth;
        if (quantizer->limit > 0) {
            quantize_in_two_planes(quantizer, rows + row * stride, first, first + depth);
            memset(first + depth + quantizer->columns, 0, filler);
        } else {
            to->scales[row] = quantize_in_one_plane(quantizer, rows + row * stride, first);
        }
        memset(first + quantizer->columns, 0, filler); /* its weights are 0, but no byte is left unset */
    }
}
