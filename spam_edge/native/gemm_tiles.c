/* int8 GEMM with its sums in the tile registers of AMX. linear.c has the mathematics, simd/tiles.h the instructions.
 *
 * One instruction multiplies TILE_ROWS rows of 64 quantised values by a tile of weights, 64 columns by 16 outputs, and
 * adds the products to 16 x 16 sums. A panel is four tiles of outputs, as two pairs. Weights are packed in the order in
 * which they are used, as (panels, 2 pairs, depth / 64, 2 tiles, 16, 16 outputs, 4 columns).
 *
 * The rows are cut into groups of equal height, at most TILE_ROWS. If the height does not divide their number, the last
 * group overlaps the one before it: what both compute is the same. So every tile of a call has one of two shapes, no
 * row is read beyond the last, and the registers are configured once.
 *
 *   two groups by a pair    registers 0 to 3: sums, 4 and 5: rows, 6 and 7: weights; 4 loads for 4 products
 *   one group by a panel    registers 0 to 3: sums, 4: rows, 6 and 7: weights;       5 loads for 4 products
 *
 * Both have four independent chains of products, which hide the latency of one. The second is for the last of an odd
 * number of groups. */

#include "gemm.h"

#ifdef SPAM_EDGE_TILES

#include "simd/packing.h"
#include "simd/tiles.h"

enum { PAIR = 2 * LANES, TILES = PANEL / LANES };
_Static_assert(sizeof(Step) == 1 && (int)DEPTH_UNIT == (int)TILE_BYTES && (int)LANES == (int)TILE_ROWS && TILES == 4,
               "shapes of tiles");

VECTORISED void pack_panels(Linear *linear, const int8_t *weights) {
    const size_t depth = linear->input.depth, outputs = linear->outputs;
    int8_t *group = linear->packed;
    for (size_t pair = 0; pair < padded(outputs); pair += PAIR)
        for (size_t step = 0; step < depth; step += DEPTH_UNIT)
            for (size_t first = pair; first < pair + PAIR; first += LANES)
                for (size_t column = step; column < step + DEPTH_UNIT; column += 4, group += 4 * LANES)
                    pack_four_columns(linear, weights, column, first, group);
    /* Quantised values include the zero point, so sums start from minus its contribution. */
    const int zero = zero_point(&linear->input);
    for (size_t column = 0; column < linear->input.columns; column++)
        for (size_t n = 0; n < outputs; n++) linear->starts[n] -= zero * weights[column * outputs + n];
}

/* The sums of a block of up to four tiles, by tile. */
typedef struct {
    _Alignas(64) int32_t tiles[TILES][TILE_ROWS][LANES];
} Sums;

/* Prefetch of the weights after these, spread over the blocks that use these to hide memory latency. It may run past
 * the end of the weights, which is harmless: a prefetch never faults. */
typedef struct {
    const int8_t *from;
    size_t lines; /* cache lines to fetch per step of DEPTH_UNIT columns */
} Ahead;

INLINED void prefetch(Ahead *ahead) {
    for (size_t line = 0; line < ahead->lines; line++) _mm_prefetch((const char *)ahead->from + line * 64, _MM_HINT_T1);
    ahead->from += ahead->lines * 64;
}

/* Two groups by a pair: tiles 0 and 1 are those of the upper group, 2 and 3 those of the lower. */
VECTORISED static void sum_two_groups(const Step *upper, const Step *lower, size_t depth, const int8_t *pair,
                                      const int32_t *starts, Ahead ahead, Sums *sums) {
    t_load(0, starts, 0);
    t_load(1, starts + LANES, 0);
    t_load(2, starts, 0);
    t_load(3, starts + LANES, 0);
    for (size_t column = 0; column < depth; column += DEPTH_UNIT, pair += 2 * TILE_SIZE) {
        t_load(6, pair, TILE_BYTES);
        t_load(4, upper + column, depth);
        t_add_products(0, 4, 6);
        t_load(7, pair + TILE_SIZE, TILE_BYTES);
        t_add_products(1, 4, 7);
        t_load(5, lower + column, depth);
        t_add_products(2, 5, 6);
        t_add_products(3, 5, 7);
        prefetch(&ahead);
    }
    t_store(0, sums->tiles[0], TILE_BYTES);
    t_store(1, sums->tiles[1], TILE_BYTES);
    t_store(2, sums->tiles[2], TILE_BYTES);
    t_store(3, sums->tiles[3], TILE_BYTES);
}

/* One group by a panel. */
VECTORISED static void sum_one_group(const Step *rows, size_t depth, const int8_t *panel, const int32_t *starts,
                                     Ahead ahead, Sums *sums) {
    const int8_t *left = panel, *right = panel + PAIR * depth;
    t_load(0, starts, 0);
    t_load(1, starts + LANES, 0);
    t_load(2, starts + 2 * LANES, 0);
    t_load(3, starts + 3 * LANES, 0);
    for (size_t column = 0; column < depth; column += DEPTH_UNIT, left += 2 * TILE_SIZE, right += 2 * TILE_SIZE) {
        t_load(4, rows + column, depth);
        t_load(6, left, TILE_BYTES);
        t_add_products(0, 4, 6);
        t_load(7, left + TILE_SIZE, TILE_BYTES);
        t_add_products(1, 4, 7);
        t_load(6, right, TILE_BYTES);
        t_add_products(2, 4, 6);
        t_load(7, right + TILE_SIZE, TILE_BYTES);
        t_add_products(3, 4, 7);
        prefetch(&ahead);
    }
    t_store(0, sums->tiles[0], TILE_BYTES);
    t_store(1, sums->tiles[1], TILE_BYTES);
    t_store(2, sums->tiles[2], TILE_BYTES);
    t_store(3, sums->tiles[3], TILE_BYTES);
}

/* A call of linear_multiply(). */
typedef struct {
    const Linear *linear;
    const Quantized *rows;
    size_t count, groups, height; /* rows; groups of rows, and rows of each: of activations, not planes */
    float *output;
    size_t stride;
    const GeluTable *gelu;
} Multiplication;

INLINED size_t first_row(const Multiplication *of, size_t group) {
    const size_t row = group * of->height, last = of->count - of->height;
    return row < last ? row : last;
}

INLINED const Step *values_at(const Multiplication *of, size_t group) {
    const Quantizer *input = &of->linear->input;
    return of->rows->values + first_row(of, group) * planes(input) * input->depth;
}

/* Writes the outputs `at` to `at` + 15 of a group. `fine` is a constant after inlining. */
INLINED void store_group(const Multiplication *of, size_t group, size_t at, const int32_t sums[TILE_ROWS][LANES],
                         int fine) {
    const Floats scale = v_load(of->linear->scales + at), bias = v_load(of->linear->bias + at);
    const size_t first = first_row(of, group);
    for (size_t r = 0; r < of->height; r++) {
        const Integers coarse = v_load_integers(sums[fine ? 2 * r : r]);
        const Integers finer = v_load_integers(sums[fine ? 2 * r + 1 : r]);
        const Floats value = rescale(of->linear, of->rows, first + r, fine, coarse, finer, scale, bias);
        v_store(of->output + (first + r) * of->stride + at, of->gelu ? gelu_of(of->gelu, value) : value);
    }
}

/* Computes a panel. The pairs are the outer loop, so that their weights stay in the cache for all rows. */
INLINED void multiply_panel(const Multiplication *of, size_t panel, int fine) {
    const Linear *linear = of->linear;
    const size_t depth = linear->input.depth, blocks = of->groups / 2, first = panel * PANEL;
    const size_t lines = 2 * TILE_SIZE / 64;
    Sums sums;
    for (size_t at = first; blocks && at < first + PANEL; at += PAIR) {
        const int8_t *weights = linear->packed + at * depth;
        Ahead ahead = {weights + PAIR * depth, (lines + blocks - 1) / blocks};
        for (size_t block = 0; block < blocks; block++, ahead.from += depth / DEPTH_UNIT * ahead.lines * 64) {
            sum_two_groups(values_at(of, 2 * block), values_at(of, 2 * block + 1), depth, weights, linear->starts + at,
                           ahead, &sums);
            for (size_t tile = 0; tile < TILES; tile++)
                store_group(of, 2 * block + tile / 2, at + tile % 2 * LANES, sums.tiles[tile], fine);
        }
    }
    if (of->groups % 2 == 0) return;
    const Ahead ahead = {linear->packed + (first + PANEL) * depth, blocks ? 0 : 2 * lines};
    sum_one_group(values_at(of, of->groups - 1), depth, linear->packed + first * depth, linear->starts + first, ahead,
                  &sums);
    for (size_t tile = 0; tile < TILES; tile++)
        store_group(of, of->groups - 1, first + tile * LANES, sums.tiles[tile], fine);
}

VECTORISED void linear_multiply(const Linear *linear, size_t from, size_t to, const Quantized *rows, size_t count,
                                float *output, size_t stride, const GeluTable *gelu) {
    if (count == 0) return; /* there are no tiles without rows */
    const size_t per_row = planes(&linear->input), most = TILE_ROWS / per_row;
    const size_t groups = (count + most - 1) / most, height = (count + groups - 1) / groups;
    const Multiplication of = {linear, rows, count, groups, height, output, stride, gelu};
    const uint8_t high = (uint8_t)(height * per_row);
    const TileShapes shapes = {.palette = 1,
                               .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                               .rows = {high, high, high, high, high, high, TILE_ROWS, TILE_ROWS}};
    t_configure(&shapes);
    for (size_t panel = from; panel < to; panel++) {
        if (per_row == 2)
            multiply_panel(&of, panel, 1);
        else
            multiply_panel(&of, panel, 0);
    }
    t_release();
}

#endif
