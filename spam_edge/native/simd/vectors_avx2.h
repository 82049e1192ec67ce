/* AVX2 with FMA: the vectors of vectors_256.h, and quantised values for 16-bit products.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_AVX2_H
#define SPAM_EDGE_VECTORS_AVX2_H

#define VECTORISED __attribute__((target("avx2,fma")))

#include "vectors_256.h"

enum { PANEL = LANES }; /* GEMM: (6 sums + 1 of weights) x 2 + activations = 15 of 16 registers */
enum { DEPTH_UNIT = 4 };

/* q - z in 16 bits, for VPMADDWD, which is exact. */
typedef int16_t Step;

/* Packing works within 128-bit lanes, so a permutation restores the order. A partial block goes through a buffer. */
INLINED void v_store_steps(int whole, Step *to, size_t from, size_t end, const Floats steps[4], int zero) {
    const __m256i lowest = _mm256_set1_epi16((short)-zero), highest = _mm256_set1_epi16((short)(255 - zero));
    Step rounded[4 * LANES];
    Step *target = whole || end - from >= 4 * LANES ? to + from : rounded;
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        __m256i some = _mm256_packs_epi32(_mm256_cvtps_epi32(steps[v].low), _mm256_cvtps_epi32(steps[v].high));
        some = _mm256_min_epi16(_mm256_max_epi16(_mm256_permute4x64_epi64(some, 0xD8), lowest), highest);
        _mm256_storeu_si256((__m256i *)(target + v * LANES), some);
    }
    if (target == rounded) memcpy(to + from, rounded, (end - from) * sizeof(Step));
}

#endif
