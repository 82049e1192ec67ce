#include "linear.h"

#include <stdlib.h>
#include <string.h>

#include "gelu.h"
#include "vectors.h"

enum { QUAD = 4 }; /* bytes whose products are added at once */
enum { TILE = 6 }; /* rows of uint8 whose sums stay in registers */
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
    const float step = coarse_step(&linear->input);
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
