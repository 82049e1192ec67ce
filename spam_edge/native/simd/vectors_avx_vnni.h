/* AVX-VNNI, for processors without AVX-512: the vectors of vectors_256.h, and quantised values in bytes.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_AVX_VNNI_H
#define SPAM_EDGE_VECTORS_AVX_VNNI_H

#define VECTORISED __attribute__((target("avx2,fma,avxvnni")))

#include "vectors_256.h"
#include "steps_256.h"

enum { PANEL = LANES }; /* GEMM: (6 sums + 1 of weights) x 2 + activations = 15 of 16 registers */
enum { DEPTH_UNIT = 4 };

#endif
