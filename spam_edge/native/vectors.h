/* Functions of sixteen floats at once, the same for registers of 512 and of 256 bits.
 *
 * Each processor has a library of its own, compiled from the same files; SPAM_EDGE_AVX2 chooses the smaller one. */

#ifndef SPAM_EDGE_VECTORS_H
#define SPAM_EDGE_VECTORS_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#ifdef SPAM_EDGE_AVX2
#include "vectors_avx2.h"
#else
#include "vectors_avx512.h"
#endif

enum { STRIDE = 4 * LANES /* what a loop does at once, lest it wait for its own last sum */ };

/* The same as lanes(), or all where `whole`, a constant where this is inlined. */
INLINED Lanes lanes_of(int whole, size_t from, size_t to) { return whole ? lanes(0, LANES) : lanes(from, to); }

INLINED Floats sum_of_four(const Floats parts[4]) {
    return v_add(v_add(parts[0], parts[1]), v_add(parts[2], parts[3]));
}

/* e to the power of x, relative error below 2e-7, for x at most 0. Range reduction by powers of two and a polynomial
 * of degree 6 (Moshier, Cephes, expf). */
INLINED Floats exponential(Floats x) {
    x = v_larger(x, v_all(-87.0f));
    const Floats n = v_round(v_multiply(x, v_all(1.44269504f)));
    Floats r = v_subtract_product(n, v_all(0.693359375f), x);
    r = v_subtract_product(n, v_all(-2.12194440e-4f), r);
    Floats p = v_all(1.9875691500e-4f);
    p = v_multiply_add(p, r, v_all(1.3981999507e-3f));
    p = v_multiply_add(p, r, v_all(8.3334519073e-3f));
    p = v_multiply_add(p, r, v_all(4.1665795894e-2f));
    p = v_multiply_add(p, r, v_all(1.6666665459e-1f));
    p = v_multiply_add(p, r, v_all(5.0000001201e-1f));
    p = v_multiply_add(p, v_multiply(r, r), v_add(r, v_all(1.0f)));
    return v_times_power_of_two(p, n);
}

#endif
