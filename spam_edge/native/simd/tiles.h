/* Tile instructions of AMX, for gemm_tiles.c.
 *
 * A thread has eight tile registers, numbered from 0, of up to TILE_ROWS rows of TILE_BYTES bytes. A shape is
 * configured for each. An operand `tile` is a constant.
 *
 *   t_configure(&shapes)              sets the shapes and clears all tiles
 *   t_release()                       returns all tiles to their initial state, which a context switch need not save
 *   t_load(tile, from, stride)        loads the rows of a tile, `stride` bytes from one another; 0 repeats one row
 *   t_store(tile, to, stride)         stores them
 *   t_add_products(sums, a, b)        sums[m][n] += sum over k of a[m][k] b[k / 4][n][k % 4], exactly, in int32: a is
 *                                     uint8 (M, K), b is int8 (K / 4, N, 4), sums is int32 (M, N)
 *
 * tiles_amx.h has the instructions. tiles_emulated.h has the same in C, and ends the process where the processor would.
 *
 * Intel, "Architecture Instruction Set Extensions Programming Reference", chapter "Intel AMX Instruction Set". */

#ifndef SPAM_EDGE_TILES_H
#define SPAM_EDGE_TILES_H

#include <stdint.h>

enum { TILE_ROWS = 16, TILE_BYTES = 64, TILE_SIZE = TILE_ROWS * TILE_BYTES };

/* The operand of LDTILECFG. */
typedef struct {
    uint8_t palette; /* 1 */
    uint8_t start_row, reserved[14];
    uint16_t bytes[16]; /* of a row, by tile */
    uint8_t rows[16];
} TileShapes;

#if defined SPAM_EDGE_AMX
#include "tiles_amx.h"
#else
#include "tiles_emulated.h"
#endif

#endif
