/* Scratch memory of a run: one block, cached in the encoder and reused by later runs. */

#ifndef SPAM_EDGE_WORKSPACE_H
#define SPAM_EDGE_WORKSPACE_H

#include "encoder.h"

/* Rows per chunk of the feed-forward block: few enough that the activations in it, (CHUNK, hidden), stay in the cache,
 * and a multiple of the GEMM tile. */
enum { CHUNK = 96 };

/* Width is padded(channels). Every part is aligned to 64 bytes. Reuse avoids the page faults of fresh memory. */
typedef struct {
    size_t tokens;  /* capacity */
    float *hidden;  /* (tokens, width) residual stream */
    float *heads;   /* (3, tokens, width) queries, keys and values, packed to the rows of the run */
    float *context; /* (tokens, width) output of attention, or of a chunk of the feed-forward block */
    float *wide;    /* (CHUNK, padded(hidden)) activations inside the feed-forward block */
    float *scratch; /* (members of a team, scratch_size) attention scratch */
    Step *quantised; /* (rows, planes x depth) quantised input of the current linear layer */
    float *scales;   /* (rows) its scales */
    size_t scratch_size;
    size_t *starts; /* (tokens + 1) first row of each message; a message has at least one token */
    void *memory;
} Workspace;

/* Returns a cached workspace of sufficient size, or a new one; NULL if out of memory. Thread-safe. */
Workspace *workspace_take(Encoder *encoder, size_t tokens);

/* Returns a workspace to the cache, or frees it if the cache is full. Thread-safe. */
void workspace_leave(Encoder *encoder, Workspace *workspace);

/* Frees all cached workspaces. */
void workspaces_free(Encoder *encoder);

#endif
