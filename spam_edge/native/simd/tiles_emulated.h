/* Tile instructions of AMX in C, for tests on other processors. tiles.h specifies them. */

#ifndef SPAM_EDGE_TILES_EMULATED_H
#define SPAM_EDGE_TILES_EMULATED_H

#include <stdlib.h>
#include <string.h>

enum { TILE_REGISTERS = 8 };

/* The registers of a thread. Palette 0 is the initial state. */
static _Thread_local TileShapes tile_shapes;
static _Thread_local uint8_t tile_rows[TILE_REGISTERS][TILE_ROWS][TILE_BYTES];

/* Ends the process where the processor raises #UD or #GP. */
static inline void tiles_need(int condition) {
    if (!condition) abort();
}

static inline void t_configure(const TileShapes *shapes) {
    tiles_need(tile_shapes.palette == 0); /* not an error of the processor: tiles that nobody released */
    tiles_need(shapes->palette == 1 && shapes->start_row == 0);
    for (int i = 0; i < (int)sizeof shapes->reserved; i++) tiles_need(shapes->reserved[i] == 0);
    for (int tile = 0; tile < 16; tile++) {
        const int exists = tile < TILE_REGISTERS;
        tiles_need(shapes->rows[tile] <= exists * TILE_ROWS && shapes->bytes[tile] <= exists * TILE_BYTES);
        tiles_need(!shapes->rows[tile] == !shapes->bytes[tile]);
    }
    tile_shapes = *shapes;
    memset(tile_rows, 0, sizeof tile_rows);
}

static inline void t_release(void) {
    memset(&tile_shapes, 0, sizeof tile_shapes);
    memset(tile_rows, 0, sizeof tile_rows);
}

static inline void t_load(int tile, const void *from, size_t stride) {
    tiles_need(tile_shapes.palette && tile_shapes.rows[tile]);
    memset(tile_rows[tile], 0, TILE_SIZE);
    for (size_t row = 0; row < tile_shapes.rows[tile]; row++)
        memcpy(tile_rows[tile][row], (const char *)from + row * stride, tile_shapes.bytes[tile]);
}

static inline void t_store(int tile, void *to, size_t stride) {
    tiles_need(tile_shapes.palette && tile_shapes.rows[tile]);
    for (size_t row = 0; row < tile_shapes.rows[tile]; row++)
        memcpy((char *)to + row * stride, tile_rows[tile][row], tile_shapes.bytes[tile]);
}

/* Sums wrap, as those of the processor do. */
VECTORISED static void t_add_products(int sums, int a, int b) {
    const uint8_t *rows = tile_shapes.rows;
    const uint16_t *bytes = tile_shapes.bytes;
    tiles_need(tile_shapes.palette && rows[sums] && rows[a] && rows[b]);
    tiles_need(sums != a && sums != b && a != b);
    tiles_need(bytes[sums] % 4 == 0 && bytes[a] % 4 == 0 && bytes[b] % 4 == 0);
    tiles_need(rows[sums] == rows[a] && bytes[sums] == bytes[b] && bytes[a] / 4 == rows[b]);
    for (size_t m = 0; m < rows[a]; m++) {
        uint32_t row[TILE_BYTES / 4];
        memcpy(row, tile_rows[sums][m], sizeof row);
        for (size_t k = 0; k < bytes[a]; k++)
            for (size_t n = 0; n < TILE_BYTES / 4; n++)
                row[n] += (uint32_t)(tile_rows[a][m][k] * (int8_t)tile_rows[b][k / 4][4 * n + k % 4]);
        memcpy(tile_rows[sums][m], row, sizeof row);
    }
}

/* For tests: whether this thread has tiles that are not in their initial state. */
__attribute__((visibility("default"))) int emulated_tiles_in_use(void);
int emulated_tiles_in_use(void) { return tile_shapes.palette != 0; }

#endif
