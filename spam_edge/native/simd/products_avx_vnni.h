/* int8 GEMM for AVX-VNNI: VPDPBUSD adds four u8 x s8 products to each int32, without saturation.
 *
 * vectors.h specifies all functions. */

#ifndef SPAM_EDGE_PRODUCTS_AVX_VNNI_H
#define SPAM_EDGE_PRODUCTS_AVX_VNNI_H

#include "products_256.h"

enum { GROUP = 4 }; /* columns per VPDPBUSD */
enum { LINES = GROUP * PANEL / 64 };

/* The intrinsic with `avx` in its name has the VEX encoding; the other one has EVEX, which needs AVX-512. */
INLINED Integers v_add_products(Integers sums, Integers steps, Integers weights) {
    return (Integers){_mm256_dpbusd_avx_epi32(sums.low, steps.low, weights.low),
                      _mm256_dpbusd_avx_epi32(sums.high, steps.high, weights.high)};
}

INLINED Integers v_load_weights(const int8_t *group, int v) {
    const __m256i *at = (const __m256i *)group + 2 * v;
    return (Integers){_mm256_load_si256(at), _mm256_load_si256(at + 1)};
}

/* Quantised values include the zero point, so sums start from minus its contribution. */
VECTORISED static void pack_panel(Linear *linear, const int8_t *weights, size_t first) {
    const size_t depth = linear->input.depth;
    const __m256i zero = _mm256_set1_epi8((char)zero_point(&linear->input));
    Integers sums = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t column = 0; column < depth; column += GROUP) {
        int8_t *group = linear->packed + first * depth + column * PANEL;
        pack_four_columns(linear, weights, column, first, group);
        sums = v_add_products(sums, (Integers){zero, zero}, v_load_weights(group, 0));
    }
    const __m256i none = _mm256_setzero_si256();
    __m256i *starts = (__m256i *)(linear->starts + first);
    _mm256_storeu_si256(starts, _mm256_sub_epi32(none, sums.low));
    _mm256_storeu_si256(starts + 1, _mm256_sub_epi32(none, sums.high));
}

#endif
