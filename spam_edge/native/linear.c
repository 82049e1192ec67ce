#include "linear.h"

#include <stdlib.h>
#include <string.h>

#include "gelu.h"
#include "vectors.h"

enum { QUAD = 4, SYMMETRIC_ZERO = 128, GELU_ZERO = 32 };
enum { TILE = 6 }; /* rows of uint8 whose sums stay in registers */
static const float SYMMETRIC_STEPS = 127, GELU_STEPS = 223, FINER = 254;
static const float SMALLEST = 1e-12f, SMALLEST_AFTER_GELU = 0.17f / 32;

static int zero_point(const Quantizer *input) {
    return input->after_gelu && !(input->limit > 0) ? GELU_ZERO : SYMMETRIC_ZERO;
}

int linear_pack(Linear *linear, const int8_t *weights, const float *scales, const float *bias) {
    const size_t depth = linear->input.depth, columns = linear->input.columns, outputs = linear->outputs;
    const size_t width = padded(outputs);
    linear->packed = aligned_alloc(64, depth * width);
    linear->zero_sums = calloc(width, sizeof *linear->zero_sums);
    linear->scales = calloc(width, sizeof *linear->scales);
    linear->bias = calloc(width, sizeof *linear->bias);
    if (!linear->packed || !linear->zero_sums || !linear->scales || !linear->bias) return -1;
    memset(linear->packed, 0, depth * width);
    for (size_t column = 0; column < columns; column++) {
        for (size_t output = 0; output < outputs; output++) {
            const int8_t weight = weights[column * outputs + output];
            const size_t panel = output / PANEL, quad = column / QUAD;
            linear->packed[((panel * (depth / QUAD) + quad) * PANEL + output % PANEL) * QUAD + column % QUAD] = weight;
            linear->zero_sums[output] += zero_point(&linear->input) * weight;
        }
    }
    memcpy(linear->scales, scales, outputs * sizeof *scales);
    if (bias) memcpy(linear->bias, bias, outputs * sizeof *bias);
    return 0;
}

void linear_free(Linear *linear) {
    free(linear->packed);
    free(linear->zero_sums);
    free(linear->scales);
    free(linear->bias);
}

/* Rounds to the nearest step, halves to even, and stores bytes. */
INLINED void store_steps(uint8_t *to, __mmask16 mask, __m512 steps, int zero) {
    /* saturates at -128 and 127, which is where uint8 ends for a zero point of 128 */
    const __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(steps), _mm512_set1_epi32(zero - SYMMETRIC_ZERO));
    const __m128i bytes = _mm_xor_si128(_mm512_cvtsepi32_epi8(whole), _mm_set1_epi8((char)SYMMETRIC_ZERO));
    _mm_mask_storeu_epi8(to, mask, bytes);
}

/* 16 bits: what rounding to coarse steps took away is rounded again, to steps 254 times as fine. */
VECTORISED static void quantize_in_two_planes(const Quantizer *quantizer, const float *row, uint8_t *coarse,
                                              uint8_t *fine) {
    const float step = quantizer->limit / SYMMETRIC_STEPS;
    const __m512 inverse = _mm512_set1_ps(1 / step), fine_inverse = _mm512_set1_ps(FINER / step);
    for (size_t i = 0; i < quantizer->channels; i += LANES) {
        const __mmask16 mask = lanes(i, quantizer->channels);
        const __m512 value = _mm512_maskz_loadu_ps(mask, row + i);
        __m512 steps = _mm512_roundscale_ps(_mm512_mul_ps(value, inverse), _MM_FROUND_TO_NEAREST_INT);
        steps = _mm512_min_ps(_mm512_max_ps(steps, _mm512_set1_ps(-128)), _mm512_set1_ps(127));
        const __m512 left = _mm512_fnmadd_ps(steps, _mm512_set1_ps(step), value);
        store_steps(coarse + i, mask, steps, SYMMETRIC_ZERO);
        store_steps(fine + i, mask, _mm512_mul_ps(left, fine_inverse), SYMMETRIC_ZERO);
    }
}

/* The step of a row: from its largest value, or its largest absolute value, after split channels were divided. */
VECTORISED static float step_of(const Quantizer *quantizer, const float *row) {
    __m512 largest = _mm512_setzero_ps();
    for (size_t i = 0; i < quantizer->channels; i += LANES) {
        const __mmask16 mask = lanes(i, quantizer->channels);
        __m512 value = _mm512_maskz_loadu_ps(mask, row + i);
        if (quantizer->shares) value = _mm512_mul_ps(value, _mm512_maskz_loadu_ps(mask, quantizer->shares + i));
        largest = _mm512_max_ps(largest, quantizer->after_gelu ? value : _mm512_abs_ps(value));
    }
    const float reached = _mm512_reduce_max_ps(largest);
    if (quantizer->after_gelu)
        return (reached > SMALLEST_AFTER_GELU * GELU_STEPS ? reached / GELU_STEPS : SMALLEST_AFTER_GELU);
    return reached > SMALLEST * SYMMETRIC_STEPS ? reached / SYMMETRIC_STEPS : SMALLEST;
}

VECTORISED static float quantize_in_one_plane(const Quantizer *quantizer, const float *row, uint8_t *to) {
    const float step = step_of(quantizer, row);
    const int zero = zero_point(quantizer);
    const __m512 inverse = _mm512_set1_ps(1 / step);
    for (size_t i = 0; i < quantizer->channels; i += LANES) {
        const __mmask16 mask = lanes(i, quantizer->channels);
        __m512 value = _mm512_maskz_loadu_ps(mask, row + i);
        if (quantizer->shares) value = _mm512_mul_ps(value, _mm512_maskz_loadu_ps(mask, quantizer->shares + i));
        store_steps(to + i, mask, _mm512_mul_ps(value, inverse), zero);
    }
    const size_t more = quantizer->columns - quantizer->channels;
    for (size_t i = 0; i < more; i += LANES) {
        const __mmask16 mask = lanes(i, more);
        const __m512i channel = _mm512_maskz_loadu_epi32(mask, quantizer->repeated + i);
        const __m512 zeros = _mm512_setzero_ps();
        const __m512 value = _mm512_mul_ps(_mm512_mask_i32gather_ps(zeros, mask, channel, row, 4),
                                           _mm512_mask_i32gather_ps(zeros, mask, channel, quantizer->shares, 4));
        const __m512 steps = _mm512_fmadd_ps(value, inverse, _mm512_maskz_loadu_ps(mask, quantizer->offsets + i));
        store_steps(to + quantizer->channels + i, mask, steps, zero);
    }
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

/* Sums of products of `rows` rows with one panel. `rows` is a constant where this is inlined, and the loops over it are
 * unrolled, or the compiler would keep the sums in memory. Where `ahead`, the next panel is fetched meanwhile: for a
 * single message, waiting for weights would take a seventh of the time. */
INLINED void sum_products(const uint8_t *values, size_t depth, const int8_t *panel, int rows, int ahead,
                          __m512i sums[TILE][4]) {
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) sums[r][v] = _mm512_setzero_si512();
    for (size_t quad = 0; quad < depth; quad += QUAD) {
        __m512i weights[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) weights[v] = _mm512_load_si512(panel + quad * PANEL + v * 64);
#pragma GCC unroll 4
        for (int v = 0; v < 4 && ahead; v++)
            _mm_prefetch((const char *)panel + (depth + quad) * PANEL + v * 64, _MM_HINT_T1);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, values + (size_t)r * depth + quad, sizeof four);
            const __m512i activations = _mm512_set1_epi32(four);
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++) sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], activations, weights[v]);
        }
    }
}

/* One row of outputs, sixteen of them, from their sums. */
INLINED __m512 unscaled(__m512i sums, const int32_t *zero_sums) {
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, _mm512_loadu_si512(zero_sums)));
}

/* `rows_of_bytes` rows of uint8 with one panel: as many rows of outputs, or half as many where `fine`. Both are
 * constants where this is inlined. */
INLINED void multiply_tile(const Linear *linear, const Quantized *rows, size_t row, size_t panel, int rows_of_bytes,
                           int fine, int ahead, float *output, size_t stride, const GeluTable *gelu) {
    const size_t depth = linear->input.depth, first = panel * PANEL;
    const float step = linear->input.limit / SYMMETRIC_STEPS;
    __m512i sums[TILE][4];
    sum_products(rows->values + row * (fine ? 2 : 1) * depth, depth, linear->packed + first * depth, rows_of_bytes,
                 ahead, sums);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = first + (size_t)v * LANES;
        const __m512 scale = _mm512_loadu_ps(linear->scales + at), bias = _mm512_loadu_ps(linear->bias + at);
#pragma GCC unroll 6
        for (int r = 0; r < (fine ? rows_of_bytes / 2 : rows_of_bytes); r++) {
            __m512 value;
            if (fine) {
                value = _mm512_fmadd_ps(unscaled(sums[2 * r + 1][v], linear->zero_sums + at), _mm512_set1_ps(1 / FINER),
                                        unscaled(sums[2 * r][v], linear->zero_sums + at));
                value = _mm512_fmadd_ps(value, _mm512_mul_ps(scale, _mm512_set1_ps(step)), bias);
            } else {
                value = _mm512_mul_ps(unscaled(sums[r][v], linear->zero_sums + at), scale);
                value = _mm512_fmadd_ps(value, _mm512_set1_ps(rows->scales[row + (size_t)r]), bias);
            }
            _mm512_storeu_ps(output + (row + (size_t)r) * stride + at, gelu ? gelu_ps(gelu, value) : value);
        }
    }
}

/* `fine` is a constant where this is inlined. */
INLINED void multiply(const Linear *linear, const Quantized *rows, size_t count, float *output, size_t stride,
                      const GeluTable *gelu, int fine) {
    const size_t per_row = fine ? 2 : 1, whole = TILE / per_row;
    for (size_t panel = 0; panel < padded(linear->outputs) / PANEL; panel++) {
        size_t row = 0;
        if (whole <= count) {
            multiply_tile(linear, rows, 0, panel, TILE, fine, 1, output, stride, gelu);
            row = whole;
        }
        for (; row + whole <= count; row += whole)
            multiply_tile(linear, rows, row, panel, TILE, fine, 0, output, stride, gelu);
        switch ((count - row) * per_row) {
            case 5: multiply_tile(linear, rows, row, panel, 5, fine, 0, output, stride, gelu); break;
            case 4: multiply_tile(linear, rows, row, panel, 4, fine, 0, output, stride, gelu); break;
            case 3: multiply_tile(linear, rows, row, panel, 3, fine, 0, output, stride, gelu); break;
            case 2: multiply_tile(linear, rows, row, panel, 2, fine, 0, output, stride, gelu); break;
            case 1: multiply_tile(linear, rows, row, panel, 1, fine, 0, output, stride, gelu); break;
            default: break;
        }
    }
}

VECTORISED void linear_multiply(const Linear *linear, const Quantized *rows, size_t count, float *output, size_t stride,
                                const GeluTable *gelu) {
    if (linear->input.limit > 0)
        multiply(linear, rows, count, output, stride, gelu, 1);
    else
        multiply(linear, rows, count, output, stride, gelu, 0);
}

VECTORISED void linear_complete(const Linear *linear, const float *rows, size_t stride, size_t count, float *output,
                                size_t output_stride) {
    const size_t channels = linear->input.channels;
    for (size_t row = 0; row < count; row++) {
        for (size_t each = 0; each < linear->completed; each++) {
            __m512 sum = _mm512_setzero_ps();
            for (size_t i = 0; i < channels; i += LANES) {
                const __mmask16 mask = lanes(i, channels);
                sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, rows + row * stride + i),
                                      _mm512_maskz_loadu_ps(mask, linear->remainder + each * channels + i), sum);
            }
            output[row * output_stride + (size_t)linear->completed_outputs[each]] += _mm512_reduce_add_ps(sum);
        }
    }
}
