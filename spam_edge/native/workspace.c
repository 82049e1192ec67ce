/* Layout of the scratch memory of a run, and a lock-free cache of workspaces. See workspace.h for the shapes. */

#include "workspace.h"
#include <stdatomic.h>
#include <stdlib.h>

#include "aligned.h"
#include "ops.h"
#include "thread_pool.h"

enum { TOKENS_STEP = 256, WORKSPACES = sizeof(((Encoder *)0)->workspaces) / sizeof(void *) };

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* Parts of a block of memory, one behind the other; with NULL, their size only. */
typedef struct {
    char *memory;
    size_t size;
    int overflow; /* a size does not fit in size_t */
} Layout;

/* Takes rows x row bytes, rounded up to 64. */
static void *part(Layout *layout, size_t rows, size_t row) {
    char *start = layout->memory ? layout->memory + layout->size : NULL;
    size_t bytes;
    if (__builtin_mul_overflow(rows, row, &bytes) || __builtin_add_overflow(bytes, 63, &bytes) ||
        __builtin_add_overflow(bytes / 64 * 64, layout->size, &layout->size))
        layout->overflow = 1;
    return start;
}

/* Lays out a workspace. Sizes of rows do not overflow: WIDEST in operator.c limits channels and hidden, UNITS_MOST
 * tokens. */
static void lay_out(const Encoder *encoder, Workspace *workspace, Layout *layout) {
    const size_t width = padded(encoder->channels), wide = padded(encoder->hidden), tokens = workspace->tokens;
    const size_t members = encoder->threads < TEAM_MOST ? encoder->threads : TEAM_MOST;
    size_t narrow_depth = 0, wide_depth = 0;
    for (size_t i = 0; i < encoder->count; i++) {
        const Layer *layer = &encoder->layers[i];
        const Quantizer *narrow[] = {&layer->query.input, &layer->key.input, &layer->out.input, &layer->up.input};
        for (int each = 0; each < 4; each++)
            narrow_depth = larger(narrow_depth, planes(narrow[each]) * narrow[each]->depth);
        wide_depth = larger(wide_depth, planes(&layer->down.input) * layer->down.input.depth);
    }
    workspace->hidden = part(layout, tokens, sizeof(float) * width);
    workspace->heads = part(layout, tokens, sizeof(float) * 3 * width);
    workspace->context = part(layout, tokens, sizeof(float) * width);
    workspace->wide = part(layout, CHUNK, sizeof(float) * wide);
    workspace->scratch_size = ATTENTION_SCRATCH(tokens, encoder->channels / encoder->heads);
    workspace->scratch = part(layout, workspace->scratch_size, sizeof(float) * members);
    workspace->quantised = part(layout, larger(tokens * narrow_depth, CHUNK * wide_depth), sizeof(Step));
    workspace->scales = part(layout, larger(tokens, CHUNK), sizeof(float));
    workspace->starts = part(layout, tokens + 1, sizeof(size_t));
}

static void workspace_free(Workspace *workspace) {
    if (workspace) free(workspace->memory);
    free(workspace);
}

static Workspace *workspace_new(const Encoder *encoder, size_t tokens) {
    Workspace *workspace = calloc(1, sizeof *workspace);
    if (!workspace) return NULL;
    workspace->tokens = tokens;
    Layout layout = {NULL, 0, 0};
    lay_out(encoder, workspace, &layout);
    workspace->memory = layout.overflow || layout.size > SIZE_MAX - ALIGNMENT ? NULL : malloc(layout.size + ALIGNMENT);
    if (!workspace->memory) {
        free(workspace);
        return NULL;
    }
    layout = (Layout){aligned(workspace->memory), 0, 0};
    lay_out(encoder, workspace, &layout);
    return workspace;
}

/* Capacities are multiples of TOKENS_STEP, so replacement soon stops. Replacing workspaces by slightly larger ones, on
 * different threads, would fragment the heap. */
Workspace *workspace_take(Encoder *encoder, size_t tokens) {
    tokens = (tokens + TOKENS_STEP - 1) / TOKENS_STEP * TOKENS_STEP;
    for (int i = 0; i < WORKSPACES; i++) {
        Workspace *found = atomic_exchange((_Atomic(void *) *)&encoder->workspaces[i], NULL);
        if (!found) continue;
        if (found->tokens >= tokens) return found;
        workspace_free(found);
    }
    return workspace_new(encoder, tokens);
}

void workspace_leave(Encoder *encoder, Workspace *workspace) {
    for (int i = 0; i < WORKSPACES; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong((_Atomic(void *) *)&encoder->workspaces[i], &none, workspace)) return;
    }
    workspace_free(workspace);
}

void workspaces_free(Encoder *encoder) {
    for (int i = 0; i < WORKSPACES; i++) workspace_free(encoder->workspaces[i]);
}
