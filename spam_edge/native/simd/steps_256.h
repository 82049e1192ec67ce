/* Quantised values for u8 x s8 products, for sets of 256 bits.
 *
 * vectors.h specifies all functions. */

#ifndef SPAM_EDGE_STEPS_256_H
#define SPAM_EDGE_STEPS_256_H

#include "vectors_256.h"

/* q in a byte. */
typedef uint8_t Step;

/* Packing works within 128-bit lanes, so a permutation restores the order. A partial block goes through a buffer. */
INLINED void v_store_steps(int whole, Step *to, size_t from, size_t end, const Floats steps[4], int zero) {
    /* Shifted to a zero point of 128, the range of uint8 is -128 to 127, where packing saturates. */
    const __m256i shift = _mm256_set1_epi16((short)(zero - 128));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    Step rounded[4 * LANES];
    Step *target = whole || end - from >= 4 * LANES ? to + from : rounded;
#pragma GCC unroll 2
    for (int v = 0; v < 4; v += 2) {
        const Floats a = steps[v], b = steps[v + 1];
        const __m256i first = _mm256_packs_epi32(_mm256_cvtps_epi32(a.low), _mm256_cvtps_epi32(a.high));
        const __m256i second = _mm256_packs_epi32(_mm256_cvtps_epi32(b.low), _mm256_cvtps_epi32(b.high));
        /* The shift saturates, too, or NaN and large values, which are -32768 here, would wrap to the largest byte. */
        const __m256i bytes = _mm256_packs_epi16(_mm256_adds_epi16(first, shift), _mm256_adds_epi16(second, shift));
        const __m256i sorted = _mm256_permutevar8x32_epi32(bytes, order);
        const __m256i unsigned_bytes = _mm256_xor_si256(sorted, _mm256_set1_epi8((char)128));
        _mm256_storeu_si256((__m256i *)(target + v * LANES), unsigned_bytes);
    }
    if (target == rounded) memcpy(to + from, rounded, end - from);
}

#endif
