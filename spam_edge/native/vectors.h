/* Functions of sixteen floats at once. */

#ifndef SPAM_EDGE_VECTORS_H
#define SPAM_EDGE_VECTORS_H

#include <immintrin.h>
#include <stddef.h>

#define VECTORISED __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))
#define INLINED static inline __attribute__((always_inline)) VECTORISED

enum { LANES = 16, STRIDE = 4 * LANES /* what a loop does at once, lest it wait for its own last sum */ };

/* The lanes that hold element `from` to `to` - 1 of a row. */
INLINED __mmask16 lanes(size_t from, size_t to) {
    if (from >= to) return 0;
    return to - from >= LANES ? (__mmask16)0xFFFF : (__mmask16)((1u << (to - from)) - 1);
}

/* The same, or all where `whole`, a constant where this is inlined. */
INLINED __mmask16 lanes_of(int whole, size_t from, size_t to) { return whole ? (__mmask16)0xFFFF : lanes(from, to); }

/* The bytes of a row that are left after `from`, at most STRIDE. */
INLINED __mmask64 bytes_of(int whole, size_t from, size_t to) {
    return whole || to - from >= STRIDE ? ~(__mmask64)0 : ((__mmask64)1 << (to - from)) - 1;
}

INLINED __m512 sum_of_four(const __m512 parts[4]) {
    return _mm512_add_ps(_mm512_add_ps(parts[0], parts[1]), _mm512_add_ps(parts[2], parts[3]));
}

/* e to the power of x, relative error below 2e-7, for x at most 0. Range reduction by powers of two and a polynomial
 * of degree 6 (Moshier, Cephes, expf). */
INLINED __m512 exp_ps(__m512 x) {
    x = _mm512_max_ps(x, _mm512_set1_ps(-87.0f));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(p, n);
}

#endif
