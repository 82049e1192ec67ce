/* fp32 operations of the encoder, on vectors of LANES = 16 floats.
 *
 *   normalise       row (C) = (x - mean) / sqrt(variance + epsilon) weight + bias, with x = row + residual
 *   add_table_row   row (C) += (coarse + fine / 254) scale
 *   attend          output (Q, D) = softmax(queries (Q, D) keys (T, D)^T / sqrt(D)) values (T, D)
 *   dense           output (M, N) = rows (M, C) weights (C, N) + bias, optionally ReLU
 *
 * The order of each sum is fixed, whatever the instruction set and the number of rows:
 *
 *   mean, variance  four vectors take STRIDE channels in turn; they are added as in sum_of_four(), then by v_sum()
 *   softmax         one vector takes LANES keys in turn, then v_sum()
 *   dot products    by lane, one element after the other, with fused multiply-add: over D for queries and keys, over
 *                   T for values, over C for dense
 *
 * Layer norm: Ba et al. 2016, "Layer Normalization". Attention: Vaswani et al. 2017, "Attention Is All You Need". */

#include "ops.h"

#include <math.h>
#include <string.h>

#include "simd/vectors.h"

/* Register blocking. It changes which sums are computed together, not their order. */
enum { QUERIES = 4 /* queries per block, by ABREAST vectors of keys */ };
enum { MESSAGES = ABREAST /* rows per block of dense(), which share each load of the weights */ };

/* Two passes of layer norm, over STRIDE channels. `whole` is a constant after inlining. */
INLINED void add_residual(int whole, float *row, const float *residual, size_t from, size_t channels, Floats sums[4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = from + (size_t)v * LANES;
        const Lanes mask = lanes_of(whole, at, channels);
        Floats value = v_load_some(mask, row + at);
        if (residual) value = v_add(value, v_load_some(mask, residual + at));
        v_store_some(row + at, mask, value);
        sums[v] = v_add(sums[v], value);
    }
}

INLINED void add_squares(int whole, const float *row, size_t from, size_t channels, Floats mean, Floats squares[4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = from + (size_t)v * LANES;
        const Lanes mask = lanes_of(whole, at, channels);
        const Floats off = v_subtract_some(mask, v_load_some(mask, row + at), mean);
        squares[v] = v_multiply_add(off, off, squares[v]);
    }
}

VECTORISED void normalise(float *row, const float *residual, size_t channels, const float *weight, const float *bias,
                          float epsilon) {
    const size_t whole = channels / STRIDE * STRIDE;
    Floats sums[4], squares[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) sums[v] = squares[v] = v_zero();
    for (size_t i = 0; i < whole; i += STRIDE) add_residual(1, row, residual, i, channels, sums);
    if (whole < channels) add_residual(0, row, residual, whole, channels, sums);
    const Floats mean = v_all(v_sum(sum_of_four(sums)) / (float)channels);
    for (size_t i = 0; i < whole; i += STRIDE) add_squares(1, row, i, channels, mean, squares);
    if (whole < channels) add_squares(0, row, whole, channels, mean, squares);
    const float variance = v_sum(sum_of_four(squares)) / (float)channels;
    const Floats inverse = v_all(1 / sqrtf(variance + epsilon));
    for (size_t i = 0; i < channels; i += LANES) {
        const Lanes mask = lanes(i, channels);
        const Floats off = v_subtract(v_load_some(mask, row + i), mean);
        const Floats scaled = v_multiply(v_multiply(off, inverse), v_load_some(mask, weight + i));
        v_store_some(row + i, mask, v_add(scaled, v_load_some(mask, bias + i)));
    }
}

VECTORISED void add_table_row(float *row, const int8_t *coarse, const int8_t *fine, float scale, size_t channels) {
    for (size_t i = 0; i < channels; i += LANES) {
        const Lanes mask = lanes(i, channels);
        const Floats steps = v_load_bytes(mask, coarse + i);
        const Floats more = v_load_bytes(mask, fine + i);
        const Floats both = v_multiply_add(more, v_all(1.0f / 254), steps);
        const Floats before = v_load_some(mask, row + i);
        v_store_some(row + i, mask, v_multiply_add(both, v_all(scale), before));
    }
}

/* Transposes keys (tokens, size) to columns (size, width), so that a vector holds the products of a query with LANES
 * keys. Keys beyond `tokens` are 0. */
VECTORISED static void transpose(const float *keys, size_t tokens, size_t stride, size_t size, float *columns,
                                 size_t width) {
    for (size_t token = 0; token < tokens; token += LANES)
        for (size_t i = 0; i < size; i += LANES)
            v_transpose(keys + token * stride + i, stride, tokens - token, size - i, columns + i * width + token,
                        width);
}

/* products (count, vectors x LANES) = queries (count, size) x columns (size, vectors x LANES) x scale. `count` and
 * `vectors` are constants after inlining. */
INLINED void multiply_some_keys(const float *queries, int count, size_t stride, const float *columns, size_t width,
                                int vectors, size_t size, float scale, float *products) {
    Floats sums[QUERIES][ABREAST];
#pragma GCC unroll 4
    for (int q = 0; q < count; q++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[q][v] = v_zero();
    for (size_t i = 0; i < size; i++) {
        Floats keys[ABREAST];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) keys[v] = v_load_aligned(columns + i * width + v * LANES);
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            const Floats query = v_all(queries[(size_t)q * stride + i]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) sums[q][v] = v_multiply_add(query, keys[v], sums[q][v]);
        }
    }
#pragma GCC unroll 4
    for (int q = 0; q < count; q++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            v_store_aligned(products + (size_t)q * width + v * LANES, v_multiply(sums[q][v], v_all(scale)));
}

/* products (count, width) = queries (count, size) x columns (size, width) x scale. `count` is a constant after
 * inlining, here and below. */
INLINED void multiply_keys(const float *queries, int count, size_t stride, const float *columns, size_t width,
                           size_t size, float scale, float *products) {
    size_t key = 0;
    for (; key + ABREAST * LANES <= width; key += ABREAST * LANES)
        multiply_some_keys(queries, count, stride, columns + key, width, ABREAST, size, scale, products + key);
    columns += key, products += key;
    switch ((width - key) / LANES) {
        case 3: multiply_some_keys(queries, count, stride, columns, width, 3, size, scale, products); break;
        case 2: multiply_some_keys(queries, count, stride, columns, width, 2, size, scale, products); break;
        case 1: multiply_some_keys(queries, count, stride, columns, width, 1, size, scale, products); break;
        default: break;
    }
}

/* Softmax without the division: replaces products (count, tokens) by e^(product - largest of the query), and sums them
 * by query. Queries are interleaved to hide latency. */
INLINED void exponentiate(float *products, size_t width, int count, size_t tokens, float sums[QUERIES]) {
    Floats largest[QUERIES], parts[QUERIES];
#pragma GCC unroll 4
    for (int q = 0; q < count; q++) {
        largest[q] = v_all(-INFINITY);
        parts[q] = v_zero();
    }
    for (size_t i = 0; i < tokens; i += LANES) {
        const Lanes mask = lanes(i, tokens);
#pragma GCC unroll 4
        for (int q = 0; q < count; q++)
            largest[q] =
                v_larger_some(mask, largest[q], v_load_aligned(products + (size_t)q * width + i));
    }
#pragma GCC unroll 4
    for (int q = 0; q < count; q++) largest[q] = v_all(v_largest(largest[q]));
    for (size_t i = 0; i < tokens; i += LANES) {
        const Lanes mask = lanes(i, tokens);
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            float *at = products + (size_t)q * width + i;
            const Floats power = v_keep(mask, exponential(v_subtract(v_load_aligned(at), largest[q])));
            v_store_aligned(at, power);
            parts[q] = v_add(parts[q], power);
        }
    }
#pragma GCC unroll 4
    for (int q = 0; q < count; q++) sums[q] = v_sum(parts[q]);
}

/* output (count, size) = powers (count, tokens) x values (tokens, size) / sums (count). */
INLINED void weigh_values(const float *powers, size_t width, int count, const float *sums, const float *values,
                          size_t tokens, size_t stride, size_t size, float *output, size_t output_stride) {
    for (size_t from = 0; from < size; from += 2 * LANES) {
        const Lanes low = lanes(from, size);
        const Lanes high = lanes(from + LANES, size);
        Floats means[QUERIES][2];
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) means[q][0] = means[q][1] = v_zero();
        for (size_t token = 0; token < tokens; token++) {
            const float *value = values + token * stride + from;
            const Floats first = v_load_some(low, value), second = v_load_some(high, value + LANES);
#pragma GCC unroll 4
            for (int q = 0; q < count; q++) {
                const Floats power = v_all(powers[(size_t)q * width + token]);
                means[q][0] = v_multiply_add(power, first, means[q][0]);
                means[q][1] = v_multiply_add(power, second, means[q][1]);
            }
        }
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            const Floats inverse = v_all(1 / sums[q]);
            float *to = output + (size_t)q * output_stride + from;
            v_store_some(to, low, v_multiply(means[q][0], inverse));
            v_store_some(to + LANES, high, v_multiply(means[q][1], inverse));
        }
    }
}

/* Attention of `count` queries. */
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

/* dense() for `count` rows, a constant after inlining. */
INLINED void multiply_densely(const float *rows, size_t count, size_t stride, const float *weights, const float *bias,
                              size_t channels, size_t outputs, float *output, size_t output_stride, int relu) {
    for (size_t from = 0; from < outputs; from += STRIDE) {
        Lanes masks[4];
        Floats sums[MESSAGES][4];
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++) {
            masks[v] = lanes(from + v * LANES, outputs);
#pragma GCC unroll 4
            for (size_t r = 0; r < count; r++) sums[r][v] = v_load_some(masks[v], bias + from + v * LANES);
        }
        for (size_t i = 0; i < channels; i++) {
            Floats weight[4];
#pragma GCC unroll 4
            for (size_t v = 0; v < 4; v++)
                weight[v] = v_load_some(masks[v], weights + i * outputs + from + v * LANES);
#pragma GCC unroll 4
            for (size_t r = 0; r < count; r++) {
                const Floats value = v_all(rows[r * stride + i]);
#pragma GCC unroll 4
                for (size_t v = 0; v < 4; v++) sums[r][v] = v_multiply_add(value, weight[v], sums[r][v]);
            }
        }
#pragma GCC unroll 4
        for (size_t r = 0; r < count; r++)
#pragma GCC unroll 4
            for (size_t v = 0; v < 4; v++) {
                if (relu) sums[r][v] = v_larger(v_zero(), sums[r][v]); /* operand order keeps NaN */
                v_store_some(output + r * output_stride + from + v * LANES, masks[v], sums[r][v]);
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
