/* Linear layers with int8 weights on rows of activations in steps, summed exactly in int32. */

#ifndef SPAM_EDGE_LINEAR_H
#define SPAM_EDGE_LINEAR_H

#include <stddef.h>
#include <stdint.h>

#include "gelu.h"
#include "quantize.h"

/* Rounds up to whole panels: rows of outputs are stored so far apart, so that no product has a remainder. */
static inline size_t padded(size_t outputs) { return (outputs + PANEL - 1) / PANEL * PANEL; }

/* One linear layer, ready to be multiplied with. */
typedef struct {
    Quantizer input;
    size_t outputs;
    void *memory;     /* of `packed` */
    int8_t *packed;   /* (panels, depth / GROUP, PANEL, GROUP): weights whose products are added at once lie together */
    int32_t *starts;  /* (padded outputs): what sums start from: less what the zero point adds to them */
    float *scales;    /* (padded outputs) */
    float *bias;      /* (padded outputs) */
    size_t completed; /* outputs that get back in fp32 what their weights lost in rounding */
    const int32_t *completed_outputs; /* (completed) */
    const float *remainder;           /* (completed, channels) */
} Linear;

/* Fills packed, starts, scales and bias from weights (columns, outputs), scales and bias (outputs; NULL for none).
 * Returns 0, or -1 without memory. */
int linear_pack(Linear *linear, const int8_t *weights, const float *scales, const float *bias);
void linear_free(Linear *linear);

static inline size_t panels(const Linear *linear) { return padded(linear->outputs) / PANEL; }

/* Multiplies: output (rows, `stride` apart) = activations x weights + bias, then Gelu where asked for. Only panels
 * `from` to `to` - 1 of the outputs are computed. */
void linear_multiply(const Linear *linear, size_t from, size_t to, const Quantized *rows, size_t count, float *output,
                     size_t stride, const GeluTable *gelu);

/* Adds what the completed outputs lack; `rows` are the activations before they were quantised. */
void linear_complete(const Linear *linear, const float *rows, size_t stride, size_t count, float *output,
                     size_t output_stride);

#endif
