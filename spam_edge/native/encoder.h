/* DistilBERT for sequence classification on the CPU: int8 linear layers, everything else in fp32.
 *
 * A row is a token. Messages are stored without padding, and no row depends on another message, so logits are
 * bit-identical in any batch. Sanh et al. 2019, "DistilBERT, a distilled version of BERT". */

#ifndef SPAM_EDGE_ENCODER_H
#define SPAM_EDGE_ENCODER_H

#include "linear.h"

/* Embedding table in int8 with one scale per row; the most important rows have a second int8 plane (16 bits).
 * Row r is (coarse[r] + fine[places[r]] / 254) x scales[r]. */
typedef struct {
    size_t rows, channels;
    const int8_t *coarse; /* (rows, channels) */
    const void *scales;   /* (rows) of float, unaligned: mapped from the int8 file */
    const void *places;   /* (rows) of int16_t, unaligned: index into `fine`; rows of 8 bits have that of its last row,
                             which is zero */
    const int8_t *fine;   /* (fine rows, channels), in units of 1 / 254 coarse step */
} Table;

/* Parameters of a layer norm. */
typedef struct {
    const float *weight, *bias; /* (channels) */
} Norm;

/* A transformer layer; `up` and `down` are the feed-forward block. */
typedef struct {
    Linear query, key, value, out, up, down;
    Norm attention_norm, output_norm;
} Layer;

typedef struct {
    size_t channels, heads, hidden, labels, count; /* hidden: width of the feed-forward block; count: layers */
    size_t threads;                                /* maximum busy threads in this process */
    float epsilon;
    GeluTable gelu;
    Table words, positions;
    Norm norm;
    Layer *layers;
    const float *pooler, *pooler_bias;         /* (channels in, channels out), (channels) */
    const float *classifier, *classifier_bias; /* (channels, labels), (labels) */
    void *workspaces[8];                       /* cache of idle workspaces, NULL where empty; see workspace.h */
} Encoder;

enum { ENCODER_DONE = 0, ENCODER_NO_MEMORY, ENCODER_TOO_LARGE, ENCODER_BAD_ID, ENCODER_TOO_LONG, ENCODER_BAD_MASK };

/* Returns an encoder without layers, or NULL if out of memory. */
Encoder *encoder_new(size_t threads);

/* Computes logits (messages, labels) from token ids and mask, both (messages, tokens), padded on the right.
 *
 * The mask is 1 for the tokens of a message, at least one, and 0 for padding, whose ids are ignored. Thread-safe. A run
 * also uses threads of the pool that other runs leave idle. Constants are trusted, ids and mask are checked. Returns
 *
 *   ENCODER_DONE
 *   ENCODER_NO_MEMORY
 *   ENCODER_TOO_LARGE  messages x tokens is beyond all memory
 *   ENCODER_BAD_ID     a token id is not in the table of words
 *   ENCODER_TOO_LONG   a message has more tokens than there are positions
 *   ENCODER_BAD_MASK   a message has no token, or tokens behind its padding */
int encoder_run(Encoder *encoder, const int64_t *ids, const int64_t *mask, size_t messages, size_t tokens,
                float *logits);

void encoder_free(Encoder *encoder);

#endif
