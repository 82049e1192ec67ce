/* Tile instructions of AMX with int8. tiles.h specifies them. */

#ifndef SPAM_EDGE_TILES_AMX_H
#define SPAM_EDGE_TILES_AMX_H

#include <immintrin.h>

/* The intrinsic of GCC 12 says of 8 of the 64 bytes that they are read. */
#define t_configure(shapes) __asm__ volatile("ldtilecfg %0" : : "m"(*(shapes)))
#define t_release() _tile_release()
#define t_load(tile, from, stride) _tile_loadd(tile, from, stride)
#define t_store(tile, to, stride) _tile_stored(tile, to, stride)
#define t_add_products(sums, a, b) _tile_dpbusd(sums, a, b)

#endif
