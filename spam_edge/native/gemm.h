/* What linear.c needs of an int8 GEMM, and what all int8 GEMMs share. linear.c has the mathematics. */

#ifndef SPAM_EDGE_GEMM_H
#define SPAM_EDGE_GEMM_H

#include "linear.h"
#include "simd/vectors.h"

/* Packs weights (columns, outputs) into linear->packed, with 0 beyond columns and outputs. If Step holds q, sets
 * starts[n] to -z sum over k of w[k][n], if it holds q - 128, to (128 - z) times that sum; if it holds q - z, leaves the
 * 0 there. */
void pack_panels(Linear *linear, const int8_t *weights);

/* Rescales the sums of LANES outputs of a row. With `fine` (16 bits), a constant after inlining, `coarse` and `finer`
 * are the sums of the two planes; otherwise `finer` is not used. */
INLINED Floats rescale(const Linear *linear, const Quantized *rows, size_t row, int fine, Integers coarse,
                       Integers finer, Floats scale, Floats bias) {
    if (fine) {
        const Floats sum = v_multiply_add(v_floats(finer), v_all(1 / FINER), v_floats(coarse));
        return v_multiply_add(sum, v_multiply(scale, v_all(coarse_step(&linear->input))), bias);
    }
    return v_multiply_add(v_multiply(v_floats(coarse), scale), v_all(rows->scales[row]), bias);
}

#endif
