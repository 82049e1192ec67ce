#include "rows.h"

#include <math.h>
#include <string.h>

#include "vectors.h"

enum { QUERIES = 4 /* whose products with 64 keys stay in registers */ };
enum { MESSAGES = 4 /* that share the weights of the head once they are loaded */ };

/* The parts of a normalisation, for STRIDE channels. `whole` is a constant where these are inlined. */
INLINED void add_residual(int whole, float *row, const float *residual, size_t from, size_t channels, __m512 sums[4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = from + (size_t)v * LANES;
        const __mmask16 mask = lanes_of(whole, at, channels);
        __m512 value = _mm512_maskz_loadu_ps(mask, row + at);
        if (residual) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, residual + at));
        _mm512_mask_storeu_ps(row + at, mask, value);
        sums[v] = _mm512_add_ps(sums[v], value);
    }
}

INLINED void add_squares(int whole, const float *row, size_t from, size_t channels, __m512 mean, __m512 squares[4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = from + (size_t)v * LANES;
        const __mmask16 mask = lanes_of(whole, at, channels);
        const __m512 off = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, row + at), mean);
        squares[v] = _mm512_fmadd_ps(off, off, squares[v]);
    }
}

VECTORISED void normalise(float *row, const float *residual, size_t channels, const float *weight, const float *bias,
                          float epsilon) {
    const size_t whole = channels / STRIDE * STRIDE;
    __m512 sums[4], squares[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) sums[v] = squares[v] = _mm512_setzero_ps();
    for (size_t i = 0; i < whole; i += STRIDE) add_residual(1, row, residual, i, channels, sums);
    if (whole < channels) add_residual(0, row, residual, whole, channels, sums);
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum_of_four(sums)) / (float)channels);
    for (size_t i = 0; i < whole; i += STRIDE) add_squares(1, row, i, channels, mean, squares);
    if (whole < channels) add_squares(0, row, whole, channels, mean, squares);
    const float variance = _mm512_reduce_add_ps(sum_of_four(squares)) / (float)channels;
    const __m512 inverse = _mm512_set1_ps(1 / sqrtf(variance + epsilon));
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

/* Rows `stride` apart to columns `width` apart, sixteen of each; what lies beyond `rows` is 0, and beyond `columns` not
 * written. */
INLINED void transpose_sixteen(const float *from, size_t stride, size_t rows, size_t columns, float *to, size_t width) {
    const __mmask16 mask = lanes(0, columns);
    __m512 a[LANES], b[LANES];
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        a[i] = i < rows ? _mm512_maskz_loadu_ps(mask, from + i * stride) : _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int i = 0; i < LANES; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < LANES; i += 4) /* then lane l of 128 bits of row i + c has column 4 l + c of four rows */
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            const __m512d low = _mm512_castps_pd(b[i + half]), high = _mm512_castps_pd(b[i + 2 + half]);
            a[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            a[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        const __m512 even_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88),
                     even_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xDD),
                     odd_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xDD);
        b[c] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        b[4 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        b[8 + c] = _mm512_shuffle_f32x4(even_low, even_high, 0xDD);
        b[12 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xDD);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        if (i < columns) _mm512_store_ps(to + i * width, b[i]);
}

/* keys (tokens, size) to columns (size, width), so that the products of a query with sixteen keys are one vector. */
VECTORISED static void transpose(const float *keys, size_t tokens, size_t stride, size_t size, float *columns,
                                 size_t width) {
    for (size_t token = 0; token < tokens; token += LANES)
        for (size_t i = 0; i < size; i += LANES)
            transpose_sixteen(keys + token * stride + i, stride, tokens - token, size - i, columns + i * width + token,
                              width);
}

/* Products of queries with sixteen keys or several times so many. Both numbers are constants where this is inlined. */
INLINED void multiply_some_keys(const float *queries, int count, size_t stride, const float *columns, size_t width,
                                int vectors, size_t size, float scale, float *products) {
    __m512 sums[QUERIES][4];
#pragma GCC unroll 4
    for (int q = 0; q < count; q++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[q][v] = _mm512_setzero_ps();
    for (size_t i = 0; i < size; i++) {
        __m512 keys[4];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) keys[v] = _mm512_load_ps(columns + i * width + v * LANES);
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            const __m512 query = _mm512_set1_ps(queries[(size_t)q * stride + i]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) sums[q][v] = _mm512_fmadd_ps(query, keys[v], sums[q][v]);
        }
    }
#pragma GCC unroll 4
    for (int q = 0; q < count; q++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            _mm512_store_ps(products + (size_t)q * width + v * LANES, _mm512_mul_ps(sums[q][v], _mm512_set1_ps(scale)));
}

/* Products of `count` queries, a constant where this is inlined, with all keys. */
INLINED void multiply_keys(const float *queries, int count, size_t stride, const float *columns, size_t width,
                           size_t size, float scale, float *products) {
    size_t key = 0;
    for (; key + 4 * LANES <= width; key += 4 * LANES)
        multiply_some_keys(queries, count, stride, columns + key, width, 4, size, scale, products + key);
    columns += key, products += key;
    switch ((width - key) / LANES) {
        case 3: multiply_some_keys(queries, count, stride, columns, width, 3, size, scale, products); break;
        case 2: multiply_some_keys(queries, count, stride, columns, width, 2, size, scale, products); break;
        case 1: multiply_some_keys(queries, count, stride, columns, width, 1, size, scale, products); break;
        default: break;
    }
}

/* Turns the products of each of `count` queries, a constant where this is inlined, into e^(product - largest), and sums
 * them up. All queries at once, because one has to wait for each of its steps. */
INLINED void exponentiate(float *products, size_t width, int count, size_t tokens, float sums[QUERIES]) {
    __m512 largest[QUERIES], parts[QUERIES];
#pragma GCC unroll 4
    for (int q = 0; q < count; q++) {
        largest[q] = _mm512_set1_ps(-INFINITY);
        parts[q] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < tokens; i += LANES) {
        const __mmask16 mask = lanes(i, tokens);
#pragma GCC unroll 4
        for (int q = 0; q < count; q++)
            largest[q] =
                _mm512_mask_max_ps(largest[q], mask, largest[q], _mm512_load_ps(products + (size_t)q * width + i));
    }
#pragma GCC unroll 4
    for (int q = 0; q < count; q++) largest[q] = _mm512_set1_ps(_mm512_reduce_max_ps(largest[q]));
    for (size_t i = 0; i < tokens; i += LANES) {
        const __mmask16 mask = lanes(i, tokens);
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            float *at = products + (size_t)q * width + i;
            const __m512 power = _mm512_maskz_mov_ps(mask, exp_ps(_mm512_sub_ps(_mm512_load_ps(at), largest[q])));
            _mm512_store_ps(at, power);
            parts[q] = _mm512_add_ps(parts[q], power);
        }
    }
#pragma GCC unroll 4
    for (int q = 0; q < count; q++) sums[q] = _mm512_reduce_add_ps(parts[q]);
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
    exponentiate(products, width, count, tokens, sums);
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
    queries += query * stride, output += query * output_stride;
    switch (asked - query) {
        case 3:
            attend_some(queries, 3, columns, values, tokens, width, stride, size, output, output_stride, products);
            break;
        case 2:
            attend_some(queries, 2, columns, values, tokens, width, stride, size, output, output_stride, products);
            break;
        case 1:
            attend_some(queries, 1, columns, values, tokens, width, stride, size, output, output_stride, products);
            break;
        default: break;
    }
}

/* `count` is a constant where this is inlined. */
INLINED void multiply_densely(const float *rows, size_t count, size_t stride, const float *weights, const float *bias,
                              size_t channels, size_t outputs, float *output, size_t output_stride, int relu) {
    for (size_t from = 0; from < outputs; from += STRIDE) {
        __mmask16 masks[4];
        __m512 sums[MESSAGES][4];
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++) {
            masks[v] = lanes(from + v * LANES, outputs);
#pragma GCC unroll 4
            for (size_t r = 0; r < count; r++) sums[r][v] = _mm512_maskz_loadu_ps(masks[v], bias + from + v * LANES);
        }
        for (size_t i = 0; i < channels; i++) {
            __m512 weight[4];
#pragma GCC unroll 4
            for (size_t v = 0; v < 4; v++)
                weight[v] = _mm512_maskz_loadu_ps(masks[v], weights + i * outputs + from + v * LANES);
#pragma GCC unroll 4
            for (size_t r = 0; r < count; r++) {
                const __m512 value = _mm512_set1_ps(rows[r * stride + i]);
#pragma GCC unroll 4
                for (size_t v = 0; v < 4; v++) sums[r][v] = _mm512_fmadd_ps(value, weight[v], sums[r][v]);
            }
        }
#pragma GCC unroll 4
        for (size_t r = 0; r < count; r++)
#pragma GCC unroll 4
            for (size_t v = 0; v < 4; v++) {
                if (relu) sums[r][v] = _mm512_max_ps(_mm512_setzero_ps(), sums[r][v]); /* in this order NaN stays NaN */
                _mm512_mask_storeu_ps(output + r * output_stride + from + v * LANES, masks[v], sums[r][v]);
            }
    }
}

VECTORISED void dense(const float *rows, size_t count, size_t stride, const float *weights, const float *bias,
                      size_t channels, size_t outputs, float *output, size_t output_stride, int relu) {
    size_t row = 0;
    for (; row + MESSAGES <= count; row += MESSAGES)
        multiply_densely(rows + row * stride, MESSAGES, stride, weights, bias, channels, outputs,
                         output + row * output_stride, output_stride, relu);
    for (; row < count; row++)
        multiply_densely(rows + row * stride, 1, stride, weights, bias, channels, outputs, output + row * output_stride,
                         output_stride, relu);
}
