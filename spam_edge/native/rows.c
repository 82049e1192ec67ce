#include "rows.h"

#include <math.h>
#include <string.h>

#include "vectors.h"

enum { QUERIES = 4, KEYS = 64 /* queries and keys whose products stay in registers */ };

VECTORISED void normalise(float *row, const float *residual, size_t channels, const float *weight, const float *bias,
                          float epsilon) {
    __m512 sum = _mm512_setzero_ps();
    for (size_t i = 0; i < channels; i += LANES) {
        const __mmask16 mask = lanes(i, channels);
        __m512 value = _mm512_maskz_loadu_ps(mask, row + i);
        if (residual) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, residual + i));
        _mm512_mask_storeu_ps(row + i, mask, value);
        sum = _mm512_add_ps(sum, value);
    }
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / (float)channels);
    __m512 squares = _mm512_setzero_ps();
    for (size_t i = 0; i < channels; i += LANES) {
        const __mmask16 mask = lanes(i, channels);
        const __m512 off = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, row + i), mean);
        squares = _mm512_fmadd_ps(off, off, squares);
    }
    const __m512 inverse = _mm512_set1_ps(1 / sqrtf(_mm512_reduce_add_ps(squares) / (float)channels + epsilon));
    for (size_t i = 0; i < channels; i += LANES) {
        const __mmask16 mask = lanes(i, channels);
        const __m512 off = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, row + i), mean);
        const __m512 scaled = _mm512_mul_ps(_mm512_mul_ps(off, inverse), _mm512_maskz_loadu_ps(mask, weight + i));
        _mm512_mask_storeu_ps(row + i, mask, _mm512_add_ps(scaled, _mm512_maskz_loadu_ps(mask, bias + i)));
    }
}

VECTORISED void add_table_row(float *row, const int8_t *coarse, const int8_t *fine, float scale, size_t channels) {
    for (size_t i = 0; i < channels; i += LANES) {
        const __mmask16 mask = lanes(i, channels);
        const __m512 steps = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, coarse + i)));
        const __m512 more = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, fine + i)));
        const __m512 both = _mm512_fmadd_ps(more, _mm512_set1_ps(1.0f / 254), steps);
        const __m512 before = _mm512_maskz_loadu_ps(mask, row + i);
        _mm512_mask_storeu_ps(row + i, mask, _mm512_fmadd_ps(both, _mm512_set1_ps(scale), before));
    }
}

/* keys (tokens, size) to columns (size, width), so that the products of a query with sixteen keys are one vector. */
VECTORISED static void transpose(const float *keys, size_t tokens, size_t stride, size_t size, float *columns,
                                 size_t width) {
    const __m512i apart = _mm512_mullo_epi32(_mm512_set1_epi32((int)stride),
                                             _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    for (size_t from = 0; from < width; from += LANES) {
        const __mmask16 mask = from < tokens ? lanes(from, tokens) : 0;
        for (size_t i = 0; i < size; i++) {
            const float *column = keys + from * stride + i;
            _mm512_store_ps(columns + i * width + from,
                            _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, apart, column, 4));
        }
    }
}

/* Products of `count` queries, a constant where this is inlined, with all keys. */
INLINED void multiply_keys(const float *queries, int count, size_t stride, const float *columns, size_t width,
                           size_t size, float scale, float *products) {
    for (size_t from = 0; from < width; from += KEYS) {
        const int vectors = (int)((width - from < KEYS ? width - from : KEYS) / LANES);
        __m512 sums[QUERIES][4];
#pragma GCC unroll 4
        for (int q = 0; q < count; q++)
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++) sums[q][v] = _mm512_setzero_ps();
        for (size_t i = 0; i < size; i++) {
            const float *column = columns + i * width + from;
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++) {
                if (v >= vectors) break;
                const __m512 keys = _mm512_load_ps(column + v * LANES);
#pragma GCC unroll 4
                for (int q = 0; q < count; q++)
                    sums[q][v] = _mm512_fmadd_ps(_mm512_set1_ps(queries[(size_t)q * stride + i]), keys, sums[q][v]);
            }
        }
#pragma GCC unroll 4
        for (int q = 0; q < count; q++)
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++)
                if (v < vectors)
                    _mm512_store_ps(products + (size_t)q * width + from + (size_t)v * LANES,
                                    _mm512_mul_ps(sums[q][v], _mm512_set1_ps(scale)));
    }
}

/* Turns products into e^(product - largest), and returns their sum. */
VECTORISED static float exponentiate(float *products, size_t tokens) {
    __m512 largest = _mm512_set1_ps(-INFINITY);
    for (size_t i = 0; i < tokens; i += LANES) {
        const __mmask16 mask = lanes(i, tokens);
        largest = _mm512_mask_max_ps(largest, mask, largest, _mm512_load_ps(products + i));
    }
    const __m512 highest = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    __m512 sum = _mm512_setzero_ps();
    for (size_t i = 0; i < tokens; i += LANES) {
        const __mmask16 mask = lanes(i, tokens);
        const __m512 power = _mm512_maskz_mov_ps(mask, exp_ps(_mm512_sub_ps(_mm512_load_ps(products + i), highest)));
        _mm512_store_ps(products + i, power);
        sum = _mm512_add_ps(sum, power);
    }
    return _mm512_reduce_add_ps(sum);
}

/* Means of values, weighted with the powers of `count` queries, a constant where this is inlined. */
INLINED void weigh_values(const float *powers, size_t width, int count, const float *sums, const float *values,
                          size_t tokens, size_t stride, size_t size, float *output, size_t output_stride) {
    for (size_t from = 0; from < size; from += 2 * LANES) {
        const __mmask16 low = lanes(from, size);
        const __mmask16 high = from + LANES < size ? lanes(from + LANES, size) : 0;
        __m512 means[QUERIES][2];
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) means[q][0] = means[q][1] = _mm512_setzero_ps();
        for (size_t token = 0; token < tokens; token++) {
            const float *value = values + token * stride + from;
            const __m512 first = _mm512_maskz_loadu_ps(low, value), second = _mm512_maskz_loadu_ps(high, value + LANES);
#pragma GCC unroll 4
            for (int q = 0; q < count; q++) {
                const __m512 power = _mm512_set1_ps(powers[(size_t)q * width + token]);
                means[q][0] = _mm512_fmadd_ps(power, first, means[q][0]);
                means[q][1] = _mm512_fmadd_ps(power, second, means[q][1]);
            }
        }
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            const __m512 inverse = _mm512_set1_ps(1 / sums[q]);
            float *to = output + (size_t)q * output_stride + from;
            _mm512_mask_storeu_ps(to, low, _mm512_mul_ps(means[q][0], inverse));
            _mm512_mask_storeu_ps(to + LANES, high, _mm512_mul_ps(means[q][1], inverse));
        }
    }
}

INLINED void attend_some(const float *queries, int count, const float *columns, const float *values, size_t tokens,
                         size_t width, size_t stride, size_t size, float *output, size_t output_stride,
                         float *products) {
    float sums[QUERIES];
    multiply_keys(queries, count, stride, columns, width, size, 1 / sqrtf((float)size), products);
    for (int q = 0; q < count; q++) sums[q] = exponentiate(products + (size_t)q * width, tokens);
    weigh_values(products, width, count, sums, values, tokens, stride, size, output, output_stride);
}

VECTORISED void attend(const float *queries, size_t asked, const float *keys, const float *values, size_t tokens,
                       size_t stride, size_t size, float *output, size_t output_stride, float *scratch) {
    const size_t width = (tokens + LANES - 1) / LANES * LANES;
    float *columns = scratch, *products = scratch + size * width;
    transpose(keys, tokens, stride, size, columns, width);
    size_t query = 0;
    for (; query + QUERIES <= asked; query += QUERIES)
        attend_some(queries + query * stride, QUERIES, columns, values, tokens, width, stride, size,
                    output + query * output_stride, output_stride, products);
    for (; query < asked; query++)
        attend_some(queries + query * stride, 1, columns, values, tokens, width, stride, size,
                    output + query * output_stride, output_stride, products);
}

VECTORISED void dense(const float *row, const float *weights, const float *bias, size_t channels, size_t outputs,
                      float *output, int relu) {
    for (size_t from = 0; from < outputs; from += 4 * LANES) {
        __mmask16 masks[4];
        __m512 sums[4];
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++) {
            masks[v] = from + v * LANES < outputs ? lanes(from + v * LANES, outputs) : 0;
            sums[v] = _mm512_maskz_loadu_ps(masks[v], bias + from + v * LANES);
        }
        for (size_t i = 0; i < channels; i++) {
            const __m512 value = _mm512_set1_ps(row[i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < 4; v++) {
                const float *weight = weights + i * outputs + from + v * LANES;
                sums[v] = _mm512_fmadd_ps(value, _mm512_maskz_loadu_ps(masks[v], weight), sums[v]);
            }
        }
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++) {
            if (relu) sums[v] = _mm512_max_ps(sums[v], _mm512_setzero_ps());
            _mm512_mask_storeu_ps(output + from + v * LANES, masks[v], sums[v]);
        }
    }
}
