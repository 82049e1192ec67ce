/* Dynamic quantisation of fp32 activations, (rows, channels) to (rows, depth): to 8 bits with one scale per row, or to
 * 16 bits with a fixed scale.
 *
 * A "step" is the scale, and a value of type Step is a quantised value. See export/quantization/per_token.py for the
 * ONNX graph that computes the same. */

#ifndef SPAM_EDGE_QUANTIZE_H
#define SPAM_EDGE_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "simd/vectors.h"

enum { SYMMETRIC_ZERO = 128, GELU_ZERO = 32 };
#define SYMMETRIC_STEPS 127.0f
#define FINER 254.0f /* fine steps per coarse step */

/* How the rows of an activation are quantised. Outlier channels are split: a channel with n columns has x / n in each,
 * all with its weights (Zhao et al. 2019, "Improving Neural Network Quantization without Retraining using Outlier
 * Channel Splitting"). */
typedef struct {
    size_t channels;         /* channels of the activation */
    size_t columns;          /* first columns of all channels, then the repeated columns of split channels */
    size_t depth;            /* columns, rounded up to a multiple of DEPTH_UNIT */
    const float *shares;     /* (channels) channel-split factors 1 / n; NULL if no channel is split */
    const int32_t *repeated; /* (columns - channels) channel of each repeated column */
    const float *offsets;    /* (columns - channels) rounding offset of each repeated column, in steps */
    float limit;             /* largest absolute value of 16 bits, in two 8-bit planes; 0 for 8 bits */
    int after_gelu;          /* the input is a GELU, so at least -0.17: asymmetric range */
} Quantizer;

/* Quantised activations. With 16 bits, row r is the pair of rows 2r (coarse) and 2r + 1 (fine). */
typedef struct {
    Step *values;  /* (rows x planes, depth) */
    float *scales;   /* (rows) scale of each row; unused with 16 bits */
} Quantized;

/* The zero point, from 0 to 255. */
static inline int zero_point(const Quantizer *quantizer) {
    return quantizer->after_gelu && !(quantizer->limit > 0) ? GELU_ZERO : SYMMETRIC_ZERO;
}

/* The scale of the coarse plane. */
static inline float coarse_step(const Quantizer *quantizer) { return quantizer->limit / SYMMETRIC_STEPS; }

/* Rows of quantised values per row of activations. */
static inline size_t planes(const Quantizer *quantizer) { return quantizer->limit > 0 ? 2 : 1; }

/* Quantises rows (count, channels) with a row stride of `stride` floats. */
void quantize_rows(const Quantizer *quantizer, const float *rows, size_t stride, size_t count, Quantized *to);

#endif
