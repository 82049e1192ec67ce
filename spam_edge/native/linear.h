/* Linear layers: output (rows, outputs) = input (rows, channels) x weights (channels, outputs) + bias, optionally GELU.
 *
 * Weights are int8 with one scale per output. The input is quantised per row (quantize.h), products are summed exactly
 * in int32, and the sum is rescaled in fp32. */

#ifndef SPAM_EDGE_LINEAR_H
#define SPAM_EDGE_LINEAR_H

#include <stddef.h>
#include <stdint.h>

#include "gelu.h"
#include "quantize.h"

enum { DEEPEST = 75000 }; /* columns up to which sums are exact in int32; see linear.c */

/* Rounds up to whole panels. This is the row stride of all fp32 matrices, so that the GEMM has no partial panel. */
static inline size_t padded(size_t outputs) { return (outputs + PANEL - 1) / PANEL * PANEL; }

/* Rounds up to a depth. */
static inline size_t deepened(size_t columns) { return (columns + DEPTH_UNIT - 1) / DEPTH_UNIT * DEPTH_UNIT; }

/* Rows of packed weights: the depth, and those of two sums per output. */
static inline size_t packed_rows(size_t columns) { return deepened(columns) + 2 * sizeof(int32_t); }

/* A linear layer with packed weights. */
typedef struct {
    Quantizer input;
    size_t outputs;
    void *memory;     /* allocation that holds `packed`; NULL if the host has packed */
    int8_t *packed;   /* (panels, PANEL x depth), in the order of gemm_vectors.c or gemm_tiles.c */
    int32_t *starts;  /* (padded outputs) initial sums: minus the contribution of the zero point */
    float *scales;    /* (padded outputs) */
    float *bias;      /* (padded outputs) */
    size_t completed; /* outputs with an fp32 residual correction */
    const void *completed_outputs; /* (completed) of int32_t, unaligned: their indices */
    const float *remainder;           /* (completed, channels) rounding error of their weights */
} Linear;

/* Packs weights (columns, outputs) into packed (packed_rows(columns), padded(outputs)), aligned to 64 bytes. At the end
 * are two vectors of int32 (padded(outputs)): the initial sums for the symmetric zero point, and what they grow by if the
 * zero point is one less. */
void linear_pack_weights(const int8_t *weights, size_t columns, size_t outputs, int8_t *packed);

/* Allocates `packed` and packs weights (columns, outputs); `input` and `outputs` must be set. Returns 0, or -1 if out
 * of memory; call linear_free() in either case. */
int linear_pack(Linear *linear, const int8_t *weights);

/* The same for starts, scales and bias, from `packed`, scales (outputs) and bias (outputs), which may be NULL. */
int linear_prepare(Linear *linear, const float *scales, const float *bias);
void linear_free(Linear *linear);

static inline size_t panels(const Linear *linear) { return padded(linear->outputs) / PANEL; }

/* Computes panels `from` to `to` - 1 of output (count, outputs), with a row stride of `stride` floats: rows x weights +
 * bias, then GELU unless `gelu` is NULL. Writes whole panels, so outputs up to padded(outputs). */
void linear_multiply(const Linear *linear, size_t from, size_t to, const Quantized *rows, size_t count, float *output,
                     size_t stride, const GeluTable *gelu);

/* fp32 residual correction: output[r][completed_outputs[i]] += rows[r] . remainder[i] for `count` rows. `rows` is the
 * input before quantisation, (count, channels), with a row stride of `stride` floats. */
void linear_complete(const Linear *linear, const float *rows, size_t stride, size_t count, float *output,
                     size_t output_stride);

#endif
