/* NEON without dot products (Cortex-A53, A57, A72): the vectors of vectors_128.h, and quantised values for SMULL and SMLSL.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_NEON_H
#define SPAM_EDGE_VECTORS_NEON_H

#define VECTORISED /* every ARM64 processor has NEON */

#include "vectors_128.h"

/* q - 128 in the first two of four columns, its complement 127 - q in the others; see products_neon.h. */
typedef int8_t Step;

INLINED void v_store_steps(int whole, Step *to, size_t from, size_t end, const Floats steps[4], int zero) {
    static const uint8_t flips[] = {0, 0, 255, 255, 0, 0, 255}; /* from column 0, 1, 2 or 3 of four on */
    uint32_t four;
    memcpy(&four, flips + (uintptr_t)(to + from) % 4, sizeof four); /* rows of Step are aligned */
    v_store_signed_steps(whole, to, from, end, steps, zero, vreinterpretq_s8_u32(vdupq_n_u32(four)));
}

#endif
