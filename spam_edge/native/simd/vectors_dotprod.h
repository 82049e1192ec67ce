/* NEON with dot products (SDOT; Cortex-A55, A76 and later), and with I8MM also matrix products (SMMLA; ARMv8.6): the
 * vectors of vectors_128.h, and quantised values for signed products.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_DOTPROD_H
#define SPAM_EDGE_VECTORS_DOTPROD_H

#if defined SPAM_EDGE_I8MM
#define VECTORISED __attribute__((target("i8mm")))
#else
#define VECTORISED __attribute__((target("dotprod")))
#endif

#include "vectors_128.h"

/* q - 128 in a byte. */
typedef int8_t Step;

INLINED void v_store_steps(int whole, Step *to, size_t from, size_t end, const Floats steps[4], int zero) {
    v_store_signed_steps(whole, to, from, end, steps, zero, vdupq_n_s8(0));
}

#endif
