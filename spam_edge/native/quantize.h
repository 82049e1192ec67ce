/* Rows of fp32 activations to 256 steps, each with a scale of its own, or to 16 bits. */

#ifndef SPAM_EDGE_QUANTIZE_H
#define SPAM_EDGE_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "vectors.h"

enum { SYMMETRIC_ZERO = 128, GELU_ZERO = 32 };
#define SYMMETRIC_STEPS 127.0f
#define FINER 254.0f /* fine steps in a coarse one */

/* How a row of fp32 activations becomes steps of a byte. See export/per_token.py, whose file this computes. */
typedef struct {
    size_t channels;         /* of the activation */
    size_t columns;          /* channels, then the repeated columns of those that were split */
    size_t depth;            /* columns, rounded up to whole groups of four */
    const float *shares;     /* (channels): what one column has of its channel; NULL where none is split */
    const int32_t *repeated; /* (columns - channels): the channel of each column beyond the first */
    const float *offsets;    /* (columns - channels): what is added before rounding, in steps */
    float limit;             /* largest value where two planes of 8 bits hold 16; 0 where one plane does */
    int after_gelu;          /* values are never below -0.17 */
} Quantizer;

/* Activations in steps. Where there are 16 bits, row r is the pair of rows 2r, coarse, and 2r + 1, fine. */
typedef struct {
    Step *values;  /* (rows, depth) */
    float *scales;   /* (rows): steps of each row; unused where there are 16 bits */
} Quantized;

/* The step that stands for 0, of those that a byte holds. */
static inline int zero_point(const Quantizer *quantizer) {
    return quantizer->after_gelu && !(quantizer->limit > 0) ? GELU_ZERO : SYMMETRIC_ZERO;
}

/* The step of the coarse one of two planes. */
static inline float coarse_step(const Quantizer *quantizer) { return quantizer->limit / SYMMETRIC_STEPS; }

/* Rows of steps for each row of activations. */
static inline size_t planes(const Quantizer *quantizer) { return quantizer->limit > 0 ? 2 : 1; }

/* Quantises rows of fp32, `stride` apart. */
void quantize_rows(const Quantizer *quantizer, const float *rows, size_t stride, size_t count, Quantized *to);

#endif
