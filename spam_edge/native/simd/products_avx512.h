/* int8 GEMM for AVX-512 with VNNI: VPDPBUSD adds four u8 x s8 products to each int32, without saturation.
 *
 * vectors.h specifies all functions. */

#ifndef SPAM_EDGE_PRODUCTS_AVX512_H
#define SPAM_EDGE_PRODUCTS_AVX512_H

enum { GROUP = 4 }; /* columns per VPDPBUSD */
enum { LINES = GROUP * PANEL / 64 };

/* Transposes weights (GROUP columns, 64 outputs) to (64 outputs, GROUP). Unpacking works within 128-bit lanes, which
 * are then put in order. */
INLINED void interleave(const __m512i rows[GROUP], __m512i groups[4]) {
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

/* Quantised values include the zero point, so sums start from minus its contribution. */
VECTORISED static void pack_panel(Linear *linear, const int8_t *weights, size_t first) {
    const size_t depth = linear->input.depth, outputs = linear->outputs;
    const __mmask64 mask = v_bytes(0, first, outputs);
    const __m512i zero = _mm512_set1_epi8((char)zero_point(&linear->input));
    __m512i rows[GROUP], groups[4], sums[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) sums[v] = _mm512_setzero_si512();
    for (size_t column = 0; column < depth; column += GROUP) {
#pragma GCC unroll 4
        for (size_t i = 0; i < GROUP; i++)
            rows[i] = _mm512_maskz_loadu_epi8(column + i < linear->input.columns ? mask : 0,
                                              weights + (column + i) * outputs + first);
        interleave(rows, groups);
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            _mm512_store_si512(linear->packed + first * depth + column * PANEL + v * 64, groups[v]);
            sums[v] = _mm512_dpbusd_epi32(sums[v], zero, groups[v]);
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++)
        _mm512_storeu_si512(linear->starts + first + v * LANES, _mm512_sub_epi32(_mm512_setzero_si512(), sums[v]));
}

INLINED Integers v_load_weights(const int8_t *group, int v) { return _mm512_load_si512(group + v * 64); }

INLINED Integers v_load_steps(const Step *steps) {
    int32_t four;
    memcpy(&four, steps, sizeof four);
    return _mm512_set1_epi32(four);
}

INLINED Integers v_add_products(Integers sums, Integers steps, Integers weights) {
    return _mm512_dpbusd_epi32(sums, steps, weights);
}

#endif
