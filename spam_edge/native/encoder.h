/* DistilBERT for sequence classification on the CPU: int8 products, everything else in fp32.
 *
 * Rows are tokens. No message is padded, and no row depends on another message: a score is the same to the bit in any
 * batch. Sanh et al. 2019, "DistilBERT, a distilled version of BERT". */

#ifndef SPAM_EDGE_ENCODER_H
#define SPAM_EDGE_ENCODER_H

#include "linear.h"

/* A table of rows in int8 times a scale for each row; the rows that matter most have a second plane of int8. */
typedef struct {
    size_t rows;
    const int8_t *coarse; /* (rows, channels) */
    const void *scales;   /* (rows) of float, not aligned: it lies where the int8 file has it */
    const void *places;   /* (rows) of int16_t, not aligned: where a row lies in `fine`; the last row of that, of zeros,
                             where it does not */
    const int8_t *fine;   /* (fine rows, channels), in steps 254 times as fine */
} Table;

typedef struct {
    const float *weight, *bias; /* (channels) */
} Norm;

typedef struct {
    Linear query, key, value, out, up, down;
    Norm attention_norm, output_norm;
} Layer;

typedef struct {
    size_t channels, heads, hidden, labels, count; /* count: of layers */
    size_t threads;                                /* that may be busy in this process */
    float epsilon;
    GeluTable gelu;
    Table words, positions;
    Norm norm;
    Layer *layers;
    const float *pooler, *pooler_bias;         /* (channels in, channels out), (channels) */
    const float *classifier, *classifier_bias; /* (channels, labels), (labels) */
    void *workspaces[8];                       /* left by a run for the next; see workspace.h */
} Encoder;

enum { ENCODER_DONE = 0, ENCODER_NO_MEMORY, ENCODER_BAD_TOKEN };

/* Returns an encoder without layers, or NULL without memory. */
Encoder *encoder_new(size_t threads);

/* Computes logits (messages, labels) of token ids (messages, tokens), of which the first of each row count, as many as
 * its mask (messages, tokens) has ones. May be called from several threads at once; a run that leaves threads idle is
 * helped by them. */
int encoder_run(Encoder *encoder, const int64_t *ids, const int64_t *mask, size_t messages, size_t tokens,
                float *logits);

void encoder_free(Encoder *encoder);

#endif
