#include "workspace.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "aligned.h"
#include "rows.h"
#include "team.h"

enum { TOKENS_STEP = 256, WORKSPACES = sizeof(((Encoder *)0)->workspaces) / sizeof(void *) };

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static void *part(char **free_memory, size_t bytes) {
    char *start = *free_memory;
    *free_memory += (bytes + 63) / 64 * 64;
    return start;
}

/* Lays out a workspace in `memory`, or only returns its size where that is NULL. */
static size_t lay_out(const Encoder *encoder, Workspace *workspace, char *memory) {
    const size_t width = padded(encoder->channels), wide = padded(encoder->hidden), tokens = workspace->tokens;
    const size_t rows = sizeof(float) * width * tokens;
    const size_t members = encoder->threads < TEAM_MOST ? encoder->threads : TEAM_MOST;
    size_t narrow_depth = 0, wide_depth = 0;
    for (size_t i = 0; i < encoder->count; i++) {
        const Layer *layer = &encoder->layers[i];
        const Quantizer *narrow[] = {&layer->query.input, &layer->key.input, &layer->out.input, &layer->up.input};
        for (int each = 0; each < 4; each++)
            narrow_depth = larger(narrow_depth, planes(narrow[each]) * narrow[each]->depth);
        wide_depth = larger(wide_depth, planes(&layer->down.input) * layer->down.input.depth);
    }
    char *end = memory;
    workspace->hidden = part(&end, rows);
    workspace->heads = part(&end, 3 * rows);
    workspace->context = part(&end, rows);
    workspace->wide = part(&end, sizeof(float) * CHUNK * wide);
    workspace->scratch_size = ATTENTION_SCRATCH(tokens, encoder->channels / encoder->heads);
    workspace->scratch = part(&end, sizeof(float) * workspace->scratch_size * members);
    workspace->quantised = part(&end, sizeof(Step) * larger(tokens * narrow_depth, CHUNK * wide_depth));
    workspace->scales = part(&end, sizeof(float) * larger(tokens, CHUNK));
    workspace->starts = part(&end, sizeof(size_t) * (tokens + 1));
    return (size_t)(end - memory);
}

static void workspace_free(Workspace *workspace) {
    if (workspace) free(workspace->memory);
    free(workspace);
}

static Workspace *workspace_new(const Encoder *encoder, size_t tokens) {
    Workspace *workspace = calloc(1, sizeof *workspace);
    if (!workspace) return NULL;
    workspace->tokens = tokens;
    workspace->memory = malloc(lay_out(encoder, workspace, NULL) + ALIGNMENT);
    if (!workspace->memory) {
        free(workspace);
        return NULL;
    }
    lay_out(encoder, workspace, aligned(workspace->memory));
    return workspace;
}

/* There are few sizes, so that soon none has to be replaced: freed and made anew in a slightly larger size, on one
 * thread or another, they would leave holes in the heap that are not filled again. */
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
