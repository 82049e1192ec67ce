/* fp32 operations between the linear layers: layer norm, embedding look-up, attention, classification head. */

#ifndef SPAM_EDGE_OPS_H
#define SPAM_EDGE_OPS_H

#include <stddef.h>
#include <stdint.h>

/* Layer norm with residual, in place: row = layer_norm(row + residual), all (channels). `residual` may be NULL. */
void normalise(float *row, const float *residual, size_t channels, const float *weight, const float *bias,
               float epsilon);

/* Adds an embedding, (coarse + fine / 254) x scale, to `row`, all (channels). */
void add_table_row(float *row, const int8_t *coarse, const int8_t *fine, float scale, size_t channels);

/* Scaled dot-product attention of one head of one message: output = softmax(queries keys^T / sqrt(size)) values.
 *
 * queries and output are (asked, size), keys and values (tokens, size). `stride` and `output_stride` are row strides in
 * floats. scratch: ATTENTION_SCRATCH(tokens, size) floats, aligned to 64 bytes. */
void attend(const float *queries, size_t asked, const float *keys, const float *values, size_t tokens, size_t stride,
            size_t size, float *output, size_t output_stride, float *scratch);

#define ATTENTION_SCRATCH(tokens, size) ((((tokens) + 63) / 64 * 64) * ((size) + 4))

/* fp32 linear layer: output (count, outputs) = rows (count, channels) x weights (channels, outputs) + bias (outputs),
 * then ReLU if `relu`. `stride` and `output_stride` are row strides in floats. */
void dense(const float *rows, size_t count, size_t stride, const float *weights, const float *bias, size_t channels,
           size_t outputs, float *output, size_t output_stride, int relu);

#endif
