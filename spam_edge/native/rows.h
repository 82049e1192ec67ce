/* What an encoder does between its linear layers, on rows of fp32. */

#ifndef SPAM_EDGE_ROWS_H
#define SPAM_EDGE_ROWS_H

#include <stddef.h>
#include <stdint.h>

/* Adds `residual` to `row`, unless it is NULL, and normalises the sum over its channels, in place. */
void normalise(float *row, const float *residual, size_t channels, const float *weight, const float *bias,
               float epsilon);

/* Adds (coarse + fine / 254) x scale, a row of a table, to `row`. */
void add_table_row(float *row, const int8_t *coarse, const int8_t *fine, float scale, size_t channels);

/* Scaled dot-product attention of one head of one message.
 *
 * queries (`asked` rows), keys and values (`tokens` rows) lie `stride` apart, the output rows `output_stride`.
 * scratch: ATTENTION_SCRATCH(tokens, size) floats, aligned to 64 bytes. */
void attend(const float *queries, size_t asked, const float *keys, const float *values, size_t tokens, size_t stride,
            size_t size, float *output, size_t output_stride, float *scratch);

#define ATTENTION_SCRATCH(tokens, size) ((((tokens) + 63) / 64 * 64) * ((size) + 4))

/* output (count, outputs) = rows (count, channels) x weights (channels, outputs) + bias, negative values to 0 where
 * `relu`; rows lie `stride` apart, those of the output `output_stride`. */
void dense(const float *rows, size_t count, size_t stride, const float *weights, const float *bias, size_t channels,
           size_t outputs, float *output, size_t output_stride, int relu);

#endif
