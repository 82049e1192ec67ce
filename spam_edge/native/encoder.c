#include "encoder.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

/* Rows that pass through a feed-forward block together: few enough that what is between its layers stays in the cache,
 * and a whole number of tiles. */
enum { CHUNK = 96, TOKENS_STEP = 256, WORKSPACES = sizeof(((Encoder *)0)->workspaces) / sizeof(void *) };

/* Memory of one run. It is kept for the next: a fresh one would be handed over page by page by the kernel. */
typedef struct {
    size_t tokens;  /* what it is large enough for */
    float *hidden;  /* (tokens, width) the residual stream */
    float *heads;   /* (3, tokens, width) queries, keys and values */
    float *context; /* (tokens, width) */
    float *wide;    /* (CHUNK, width of the feed-forward block) */
    float *scratch; /* of attention */
    uint8_t *bytes; /* quantised rows */
    float *steps;   /* their scales */
    size_t *starts; /* (tokens + 1) first row of each message, of which there are no more than tokens */
    void *memory;
} Workspace;

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
    workspace->scratch = part(&end, sizeof(float) * ATTENTION_SCRATCH(tokens, encoder->channels / encoder->heads));
    workspace->bytes = part(&end, larger(tokens * narrow_depth, CHUNK * wide_depth));
    workspace->steps = part(&end, sizeof(float) * larger(tokens, CHUNK));
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
    workspace->memory = aligned_alloc(64, lay_out(encoder, workspace, NULL));
    if (!workspace->memory) {
        free(workspace);
        return NULL;
    }
    lay_out(encoder, workspace, workspace->memory);
    return workspace;
}

/* Takes a workspace that an earlier run left and that is large enough, or makes one. There are few sizes, so that soon
 * none has to be replaced: freed and made anew in a slightly larger size, on one thread or another, they would leave
 * holes in the heap that are not filled again. */
static Workspace *take_workspace(Encoder *encoder, size_t tokens) {
    tokens = (tokens + TOKENS_STEP - 1) / TOKENS_STEP * TOKENS_STEP;
    for (int i = 0; i < WORKSPACES; i++) {
        Workspace *found = atomic_exchange((_Atomic(void *) *)&encoder->workspaces[i], NULL);
        if (!found) continue;
        if (found->tokens >= tokens) return found;
        workspace_free(found);
    }
    return workspace_new(encoder, tokens);
}

static void leave_workspace(Encoder *encoder, Workspace *workspace) {
    for (int i = 0; i < WORKSPACES; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong((_Atomic(void *) *)&encoder->workspaces[i], &none, workspace)) return;
    }
    workspace_free(workspace);
}

/* Counts the tokens of each message, of which there must be one, and nothing but padding behind them. */
static int find_starts(Workspace *workspace, const int64_t *mask, size_t messages, size_t tokens) {
    size_t start = 0;
    for (size_t message = 0; message < messages; message++) {
        size_t length = 0;
        while (length < tokens && mask[message * tokens + length]) length++;
        if (length == 0) return ENCODER_BAD_TOKEN;
        for (size_t token = length; token < tokens; token++)
            if (mask[message * tokens + token]) return ENCODER_BAD_TOKEN;
        workspace->starts[message] = start;
        start += length;
    }
    workspace->starts[messages] = start;
    return ENCODER_DONE;
}

static int look_up(const Table *table, int64_t row, float *to, size_t channels) {
    if (row < 0 || (size_t)row >= table->rows) return ENCODER_BAD_TOKEN;
    float scale;
    int16_t place;
    memcpy(&scale, (const char *)table->scales + (size_t)row * sizeof scale, sizeof scale);
    memcpy(&place, (const char *)table->places + (size_t)row * sizeof place, sizeof place);
    add_table_row(to, table->coarse + (size_t)row * channels, table->fine + (size_t)place * channels, scale, channels);
    return ENCODER_DONE;
}

/* Writes the rows of all messages one after the other, without padding. */
static int embed(const Encoder *encoder, Workspace *workspace, const int64_t *ids, size_t messages, size_t tokens) {
    const size_t channels = encoder->channels, width = padded(channels);
    for (size_t message = 0; message < messages; message++) {
        const size_t start = workspace->starts[message], length = workspace->starts[message + 1] - start;
        for (size_t token = 0; token < length; token++) {
            float *row = workspace->hidden + (start + token) * width;
            memset(row, 0, width * sizeof *row);
            int status = look_up(&encoder->words, ids[message * tokens + token], row, channels);
            if (status == ENCODER_DONE) status = look_up(&encoder->positions, (int64_t)token, row, channels);
            if (status != ENCODER_DONE) return status;
            normalise(row, NULL, channels, encoder->norm.weight, encoder->norm.bias, encoder->epsilon);
        }
    }
    return ENCODER_DONE;
}

/* Attention of each message with itself; where `first_alone`, only the first token of each asks. Writes the context of
 * the rows that asked, one after the other. */
static void attend_all(const Encoder *encoder, Workspace *workspace, size_t messages, int first_alone) {
    const size_t width = padded(encoder->channels), size = encoder->channels / encoder->heads;
    const size_t plane = workspace->starts[messages] * width;
    for (size_t message = 0; message < messages; message++) {
        const size_t start = workspace->starts[message], length = workspace->starts[message + 1] - start;
        const size_t asked = first_alone ? 1 : length, to = first_alone ? message : start;
        const float *queries = workspace->heads + to * width, *keys = workspace->heads + plane + start * width;
        for (size_t head = 0; head < encoder->heads; head++)
            attend(queries + head * size, asked, keys + head * size, keys + plane + head * size, length, width, size,
                   workspace->context + to * width + head * size, width, workspace->scratch);
    }
}

/* Replaces `rows` hidden rows by LayerNorm(hidden + output). */
static void add_and_normalise(const Encoder *encoder, float *hidden, const float *output, size_t rows,
                              const Norm *norm) {
    const size_t width = padded(encoder->channels);
    for (size_t row = 0; row < rows; row++)
        normalise(hidden + row * width, output + row * width, encoder->channels, norm->weight, norm->bias,
                  encoder->epsilon);
}

static void feed_forward(const Encoder *encoder, Workspace *workspace, const Layer *layer, size_t rows) {
    const size_t width = padded(encoder->channels), wide = padded(encoder->hidden);
    Quantized bytes = {workspace->bytes, workspace->steps};
    for (size_t row = 0; row < rows; row += CHUNK) {
        const size_t count = rows - row < CHUNK ? rows - row : CHUNK;
        float *hidden = workspace->hidden + row * width, *output = workspace->context;
        quantize_rows(&layer->up.input, hidden, width, count, &bytes);
        linear_multiply(&layer->up, &bytes, count, workspace->wide, wide, &encoder->gelu);
        quantize_rows(&layer->down.input, workspace->wide, wide, count, &bytes);
        linear_multiply(&layer->down, &bytes, count, output, width, NULL);
        linear_complete(&layer->down, workspace->wide, wide, count, output, width);
        add_and_normalise(encoder, hidden, output, count, &layer->output_norm);
    }
}

/* Moves the first row of each message to the front: of the last layer, nothing else is asked for. */
static void keep_first_rows(const Encoder *encoder, Workspace *workspace, size_t messages) {
    const size_t width = padded(encoder->channels);
    for (size_t message = 1; message < messages; message++)
        memmove(workspace->hidden + message * width, workspace->hidden + workspace->starts[message] * width,
                width * sizeof(float));
}

static void run_layer(const Encoder *encoder, Workspace *workspace, const Layer *layer, size_t messages, int last) {
    const size_t width = padded(encoder->channels), rows = workspace->starts[messages], plane = rows * width;
    Quantized bytes = {workspace->bytes, workspace->steps};
    quantize_rows(&layer->key.input, workspace->hidden, width, rows, &bytes);
    linear_multiply(&layer->key, &bytes, rows, workspace->heads + plane, width, NULL);
    linear_multiply(&layer->value, &bytes, rows, workspace->heads + 2 * plane, width, NULL);
    if (last) { /* whose queries were quantised for the first tokens alone */
        keep_first_rows(encoder, workspace, messages);
        quantize_rows(&layer->query.input, workspace->hidden, width, messages, &bytes);
    }
    const size_t asked = last ? messages : rows;
    linear_multiply(&layer->query, &bytes, asked, workspace->heads, width, NULL);
    attend_all(encoder, workspace, messages, last);
    quantize_rows(&layer->out.input, workspace->context, width, asked, &bytes);
    linear_multiply(&layer->out, &bytes, asked, workspace->heads, width, NULL);
    add_and_normalise(encoder, workspace->hidden, workspace->heads, asked, &layer->attention_norm);
    feed_forward(encoder, workspace, layer, asked);
}

static void classify(const Encoder *encoder, Workspace *workspace, size_t messages, float *logits) {
    const size_t width = padded(encoder->channels), channels = encoder->channels;
    dense(workspace->hidden, messages, width, encoder->pooler, encoder->pooler_bias, channels, channels,
          workspace->context, width, 1);
    dense(workspace->context, messages, width, encoder->classifier, encoder->classifier_bias, channels, encoder->labels,
          logits, encoder->labels, 0);
}

int encoder_run(Encoder *encoder, const int64_t *ids, const int64_t *mask, size_t messages, size_t tokens,
                float *logits) {
    Workspace *workspace = take_workspace(encoder, messages * tokens);
    if (!workspace) return ENCODER_NO_MEMORY;
    int status = find_starts(workspace, mask, messages, tokens);
    if (status == ENCODER_DONE) status = embed(encoder, workspace, ids, messages, tokens);
    if (status == ENCODER_DONE) {
        for (size_t i = 0; i < encoder->count; i++)
            run_layer(encoder, workspace, &encoder->layers[i], messages, i + 1 == encoder->count);
        classify(encoder, workspace, messages, logits);
    }
    leave_workspace(encoder, workspace);
    return status;
}

void encoder_free(Encoder *encoder) {
    for (size_t i = 0; encoder->layers && i < encoder->count; i++) {
        Layer *layer = &encoder->layers[i];
        Linear *linears[] = {&layer->query, &layer->key, &layer->value, &layer->out, &layer->up, &layer->down};
        for (int each = 0; each < 6; each++) linear_free(linears[each]);
    }
    free(encoder->layers);
    for (int i = 0; i < WORKSPACES; i++) workspace_free(encoder->workspaces[i]);
    free(encoder);
}
