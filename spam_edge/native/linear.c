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

/* The bytes of a row that are left after `from`, at most STRIDE. */
INLINED __mmask64 bytes_of(int whole, size_t from, size_t to) {
    return whole || to - from >= STRIDE ? ~(__mmask64)0 : ((__mmask64)1 << (to - from)) - 1;
}

/* Four rows of 64 bytes to 64 groups of four, one byte of each row. Unpacking works within lanes of 128 bits, of which
 * each vector of the result has one. */
INLINED void interleave(const __m512i rows[QUAD], __m512i groups[4]) {
    const __m512i low = _mm512_unpacklo_epi8(rows[0], rows[1]), other_low = _mm512_unpacklo_epi8(rows[2], rows[3]);
    const __m512i high = _mm512_unpackhi_epi8(rows[0], rows[1]), other_high = _mm512_unpackhi_epi8(rows[2], rows[3]);
    const __m512i a = _mm512_unpacklo_epi16(low, other_low), b = _mm512_unpackhi_epi16(low, other_low);
    const __m512i c = _mm512_unpacklo_epi16(high, other_high), d = _mm512_unpackhi_epi16(high, other_high);
    const __m512i even_a = _mm512_shuffle_i32x4(a, b, 0x88), even_c = _mm512_shuffle_i32x4(c, d, 0x88);
    const __m512i odd_a = _mm512_shuffle_i32x4(a, b, 0xDD), odd_c = _mm512_shuffle_i32x4(c, d, 0xDD);
    const __m512i order = _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13),
                  rest = _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15);
    groups[0] = _mm512_permutex2var_epi64(even_a, order, even_c);
    groups[1] = _mm512_permutex2var_epi64(odd_a, order, odd_c);
    groups[2] = _mm512_permutex2var_epi64(even_a, rest, even_c);
    groups[3] = _mm512_permutex2var_epi64(odd_a, rest, odd_c);
}

VECTORISED static void pack_panel(Linear *linear, const int8_t *weights, size_t first) {
    const size_t depth = linear->input.depth, outputs = linear->outputs;
    const __mmask64 mask = bytes_of(0, first, outputs);
    const __m512i zero = _mm512_set1_epi8((char)zero_point(&linear->input));
    __m512i rows[QUAD], groups[4], sums[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) sums[v] = _mm512_setzero_si512();
    for (size_t quad = 0; quad < depth; quad += QUAD) {
#pragma GCC unroll 4
        for (size_t i = 0; i < QUAD; i++)
            rows[i] = _mm512_maskz_loadu_epi8(quad + i < linear->input.columns ? mask : 0,
                                              weights + (quad + i) * outputs + first);
        interleave(rows, groups);
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            _mm512_store_si512(linear->packed + first * depth + quad * PANEL + v * 64, groups[v]);
            sums[v] = _mm512_dpbusd_epi32(sums[v], zero, groups[v]);
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++)
        _mm512_storeu_si512(linear->starts + first + v * LANES, _mm512_sub_epi32(_mm512_setzero_si512(), sums[v]));
}

int linear_pack(Linear *linear, const int8_t *weights, const float *scales, const float *bias) {
    const size_t outputs = linear->outputs, width = padded(outputs);
    linear->packed = aligned_alloc(64, linear->input.depth * width);
    linear->starts = calloc(width, sizeof *linear->starts);
    linear->scales = calloc(width, sizeof *linear->scales);
    linear->bias = calloc(width, sizeof *linear->bias);
    if (!linear->packed || !linear->starts || !linear->scales || !linear->bias) return -1;
    for (size_t first = 0; first < width; first += PANEL) pack_panel(linear, weights, first);
    memcpy(linear->scales, scales, outputs * sizeof *scales);
    if (bias) memcpy(linear->bias, bias, outputs * sizeof *bias);
    return 0;
}

void linear_free(Linear *linear) {
    free(linear->packed);
    free(linear->starts);
    free(linear->scales);
    free(linear->bias);
}

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
    const float step = quantizer->limit / SYMMETRIC_STEPS;
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

/* What is fetched from memory while a tile is computed: a share of the next panel, spread over the whole tile, which
 * hides how far away the weights are. */
typedef struct {
    const char *from;
    size_t stretch; /* bytes from one group of four columns to the next */
    int lines;      /* of 64 bytes, fetched for each; a constant where this is inlined */
} Ahead;

/* Sums of products of `rows` rows with one panel. `rows` is a constant where this is
 * inlined, and the loops over it are unrolled, or the compiler would keep the sums in memory. */
INLINED void sum_products(const uint8_t *values, size_t depth, const int8_t *panel, const int32_t *starts, int rows,
                          Ahead ahead, __m512i sums[TILE][4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const __m512i start = _mm512_loadu_si512(starts + v * LANES);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) sums[r][v] = start;
    }
    for (size_t quad = 0; quad < depth; quad += QUAD) {
        __m512i weights[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) weights[v] = _mm512_load_si512(panel + quad * PANEL + v * 64);
#pragma GCC unroll 4
        for (int line = 0; line < ahead.lines; line++) _mm_prefetch(ahead.from + line * 64, _MM_HINT_T1);
        ahead.from += ahead.stretch;
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

/* `rows_of_bytes` rows of uint8 with one panel: as many rows of outputs, or half as many where `fine`. Both are
 * constants where this is inlined. */
INLINED void multiply_tile(const Linear *linear, const Quantized *rows, size_t row, size_t panel, int rows_of_bytes,
                           int fine, Ahead ahead, float *output, size_t stride, const GeluTable *gelu) {
    const size_t depth = linear->input.depth, first = panel * PANEL;
    const float step = linear->input.limit / SYMMETRIC_STEPS;
    __m512i sums[TILE][4];
    sum_products(rows->values + row * (fine ? 2 : 1) * depth, depth, linear->packed + first * depth,
                 linear->starts + first, rows_of_bytes, ahead, sums);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = first + (size_t)v * LANES;
        const __m512 scale = _mm512_loadu_ps(linear->scales + at), bias = _mm512_loadu_ps(linear->bias + at);
#pragma GCC unroll 6
        for (int r = 0; r < (fine ? rows_of_bytes / 2 : rows_of_bytes); r++) {
            __m512 value;
            if (fine) {
                value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[2 * r + 1][v]), _mm512_set1_ps(1 / FINER),
                                        _mm512_cvtepi32_ps(sums[2 * r][v]));
                value = _mm512_fmadd_ps(value, _mm512_mul_ps(scale, _mm512_set1_ps(step)), bias);
            } else {
                value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[r][v]), scale);
                value = _mm512_fmadd_ps(value, _mm512_set1_ps(rows->scales[row + (size_t)r]), bias);
            }
            _mm512_storeu_ps(output + (row + (size_t)r) * stride + at, gelu ? gelu_ps(gelu, value) : value);
        }
    }
}

/* `fine` and `lines` are constants where this is inlined. */
INLINED void multiply(const Linear *linear, size_t from, size_t to, const Quantized *rows, size_t count, float *output,
                      size_t stride, const GeluTable *gelu, int fine, int lines) {
    const size_t per_row = fine ? 2 : 1, whole = TILE / per_row, tiles = (count + whole - 1) / whole;
    const size_t bytes = linear->input.depth * PANEL, stretch = (QUAD * PANEL + tiles - 1) / tiles;
    for (size_t panel = from; panel < to; panel++) {
        Ahead ahead = {(const char *)linear->packed + (panel + 1) * bytes, stretch, lines};
        size_t row = 0;
        for (; row + whole <= count; row += whole, ahead.from += bytes / tiles)
            multiply_tile(linear, rows, row, panel, TILE, fine, ahead, output, stride, gelu);
        switch ((count - row) * per_row) {
            case 5: multiply_tile(linear, rows, row, panel, 5, fine, ahead, output, stride, gelu); break;
            case 4: multiply_tile(linear, rows, row, panel, 4, fine, ahead, output, stride, gelu); break;
            case 3: multiply_tile(linear, rows, row, panel, 3, fine, ahead, output, stride, gelu); break;
            case 2: multiply_tile(linear, rows, row, panel, 2, fine, ahead, output, stride, gelu); break;
            case 1: multiply_tile(linear, rows, row, panel, 1, fine, ahead, output, stride, gelu); break;
            default: break;
        }
    }
}

VECTORISED void linear_multiply(const Linear *linear, size_t from, size_t to, const Quantized *rows, size_t count,
                                float *output, size_t stride, const GeluTable *gelu) {
    if (count == 0) return; /* there is nothing to spread over */
    const int fine = linear->input.limit > 0, few = count * (fine ? 2 : 1) <= 3 * TILE;
    if (fine && few)
        multiply(linear, from, to, rows, count, output, stride, gelu, 1, 4);
    else if (fine)
        multiply(linear, from, to, rows, count, output, stride, gelu, 1, 1);
    else if (few)
        multiply(linear, from, to, rows, count, output, stride, gelu, 0, 4);
    else
        multiply(linear, from, to, rows, count, output, stride, gelu, 0, 1);
}

INLINED void add_products(int whole, const float *row, const float *weights, size_t from, size_t channels,
                          __m512 sums[4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const size_t at = from + (size_t)v * LANES;
        const __mmask16 mask = lanes_of(whole, at, channels);
        sums[v] =
            _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, row + at), _mm512_maskz_loadu_ps(mask, weights + at), sums[v]);
    }
}

VECTORISED void linear_complete(const Linear *linear, const float *rows, size_t stride, size_t count, float *output,
                                size_t output_stride) {
    const size_t channels = linear->input.channels;
    for (size_t row = 0; row < count; row++) {
        const float *values = rows + row * stride;
        for (size_t each = 0; each < linear->completed; each++) {
            const float *remainder = linear->remainder + each * channels;
            __m512 sums[4];
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++) sums[v] = _mm512_setzero_ps();
            size_t i = 0;
            for (; i + STRIDE <= channels; i += STRIDE) add_products(1, values, remainder, i, channels, sums);
            if (i < channels) add_products(0, values, remainder, i, channels, sums);
            output[row * output_stride + (size_t)linear->completed_outputs[each]] +=
                _mm512_reduce_add_ps(sum_of_four(sums));
        }
    }
}
