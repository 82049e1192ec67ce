/* AMX without such a processor, for tests: the vectors of vectors_256.h, and products of emulated tiles.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_AMX_EMULATED_H
#define SPAM_EDGE_VECTORS_AMX_EMULATED_H

#define SPAM_EDGE_TILES
#define VECTORISED __attribute__((target("avx2,fma")))

#include "vectors_256.h"
#include "steps_256.h"

enum { PANEL = 4 * LANES }; /* as in vectors_amx.h, also below */
enum { DEPTH_UNIT = 64 };

#endif
