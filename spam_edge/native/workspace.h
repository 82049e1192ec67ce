/* Memory of a run of an encoder. */

#ifndef SPAM_EDGE_WORKSPACE_H
#define SPAM_EDGE_WORKSPACE_H

#include "encoder.h"

/* Rows that pass through a feed-forward block together: few enough that what is between its layers stays in the cache,
 * and a whole number of tiles. */
enum { CHUNK = 96 };

/* Memory of one run. It is kept for the next: a fresh one would be handed over page by page by the kernel. */
typedef struct {
    size_t tokens;  /* what it is large enough for */
    float *hidden;  /* (tokens, width) the residual stream */
    float *heads;   /* (3, tokens, width) queries, keys and values */
    float *context; /* (tokens, width) */
    float *wide;    /* (CHUNK, width of the feed-forward block) */
    float *scratch; /* of attention, `scratch_size` for each member of a team */
    Step *quantised; /* rows in steps */
    float *scales;   /* and what a step is in each */
    size_t scratch_size;
    size_t *starts; /* (tokens + 1) first row of each message, of which there are no more than tokens */
    void *memory;
} Workspace;

/* Takes a workspace that an earlier run left and that is large enough, or makes one; NULL without memory. */
Workspace *workspace_take(Encoder *encoder, size_t tokens);

/* Leaves it for the next run. */
void workspace_leave(Encoder *encoder, Workspace *workspace);

/* Frees all that were left. */
void workspaces_free(Encoder *encoder);

#endif
