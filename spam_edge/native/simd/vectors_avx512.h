/* AVX-512 with VNNI: the vectors of vectors_512.h.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_AVX512_H
#define SPAM_EDGE_VECTORS_AVX512_H

#define VECTORISED __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))

#include "vectors_512.h"

enum { PANEL = 4 * LANES }; /* GEMM: 24 sums + 4 of weights + activations = 29 of 32 registers */
enum { DEPTH_UNIT = 4 };

#endif
