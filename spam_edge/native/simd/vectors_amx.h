/* AMX with int8: the vectors of vectors_512.h, and products of tiles. Every processor with AMX has AVX-512.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_AMX_H
#define SPAM_EDGE_VECTORS_AMX_H

#define SPAM_EDGE_TILES
#define VECTORISED __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,amx-tile,amx-int8")))

#include "vectors_512.h"

enum { PANEL = 4 * LANES }; /* four tiles of weights */
enum { DEPTH_UNIT = 64 };   /* a row of a tile */

#endif
