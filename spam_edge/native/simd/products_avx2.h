/* int8 GEMM for AVX2 without VNNI: VPMADDWD adds two 16-bit products in int32, which is exact. The faster VPMADDUBSW
 * adds two u8 x s8 products in 16 bits, and saturates.
 *
 * vectors.h specifies all functions. */

#ifndef SPAM_EDGE_PRODUCTS_AVX2_H
#define SPAM_EDGE_PRODUCTS_AVX2_H

#include "products_256.h"

enum { GROUP = 2 }; /* columns per VPMADDWD */
enum { LINES = 1 }; /* half a cache line per column group */

/* Quantised values exclude the zero point, so sums start from 0. Weights stay int8 in memory: int16 would double the
 * memory traffic. */
VECTORISED static void pack_panel(Linear *linear, const int8_t *weights, size_t first) {
    const size_t depth = linear->input.depth;
    for (size_t column = 0; column < depth; column += GROUP) {
        const __m128i row = load_row(linear, weights, column, first);
        const __m128i next = load_row(linear, weights, column + 1, first);
        __m128i *group = (__m128i *)(linear->packed + first * depth + column * PANEL);
        _mm_store_si128(group, _mm_unpacklo_epi8(row, next));
        _mm_store_si128(group + 1, _mm_unpackhi_epi8(row, next));
    }
}

INLINED Integers v_load_weights(const int8_t *group, int v) {
    const __m128i *at = (const __m128i *)group + 2 * v;
    return (Integers){_mm256_cvtepi8_epi16(_mm_load_si128(at)), _mm256_cvtepi8_epi16(_mm_load_si128(at + 1))};
}

INLINED Integers v_add_products(Integers sums, Integers steps, Integers weights) {
    return (Integers){_mm256_add_epi32(sums.low, _mm256_madd_epi16(steps.low, weights.low)),
                      _mm256_add_epi32(sums.high, _mm256_madd_epi16(steps.high, weights.high))};
}

#endif
