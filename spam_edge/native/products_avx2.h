/* Sums of products in registers of 256 bits, without VNNI: 16 bits times 16 bits, two of which are added in 32 bits, so
 * that every sum is exact. The faster instruction, on bytes, adds them in 16 bits and cuts off what does not fit. See
 * linear.c; what the functions do is said in products_avx512.h. */

#ifndef SPAM_EDGE_PRODUCTS_AVX2_H
#define SPAM_EDGE_PRODUCTS_AVX2_H

typedef struct {
    __m256i low, high;
} Integers;

enum { GROUP = 2 }; /* columns whose products one instruction adds */
enum { LINES = 1 };

INLINED Floats v_floats(Integers x) { return (Floats){_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }

/* Steps are counted from the zero point already, so that sums start from 0. Weights stay bytes, because twice as many
 * would have to come from memory otherwise. */
VECTORISED static void pack_panel(Linear *linear, const int8_t *weights, size_t first) {
    const size_t depth = linear->input.depth, outputs = linear->outputs, columns = linear->input.columns;
    const size_t count = outputs - first < PANEL ? outputs - first : PANEL;
    for (size_t column = 0; column < depth; column += GROUP) {
        __m128i rows[GROUP] = {_mm_setzero_si128(), _mm_setzero_si128()};
#pragma GCC unroll 2
        for (size_t i = 0; i < GROUP; i++)
            if (column + i < columns) memcpy(&rows[i], weights + (column + i) * outputs + first, count);
        __m128i *group = (__m128i *)(linear->packed + first * depth + column * PANEL);
        _mm_store_si128(group, _mm_unpacklo_epi8(rows[0], rows[1]));
        _mm_store_si128(group + 1, _mm_unpackhi_epi8(rows[0], rows[1]));
    }
}

INLINED Integers v_load_integers(const int32_t *from) {
    const __m256i *at = (const __m256i *)from;
    return (Integers){_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}

INLINED Integers v_load_weights(const int8_t *group, int v) {
    const __m128i *at = (const __m128i *)group + 2 * v;
    return (Integers){_mm256_cvtepi8_epi16(_mm_load_si128(at)), _mm256_cvtepi8_epi16(_mm_load_si128(at + 1))};
}

INLINED Integers v_load_steps(const Step *steps) {
    int32_t two;
    memcpy(&two, steps, sizeof two);
    return (Integers){_mm256_set1_epi32(two), _mm256_set1_epi32(two)};
}

INLINED Integers v_add_products(Integers sums, Integers steps, Integers weights) {
    return (Integers){_mm256_add_epi32(sums.low, _mm256_madd_epi16(steps.low, weights.low)),
                      _mm256_add_epi32(sums.high, _mm256_madd_epi16(steps.high, weights.high))};
}

#endif
