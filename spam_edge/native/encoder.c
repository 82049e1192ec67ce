#include "encoder.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "team.h"
#include "workspace.h"

/* Where other threads help: from so many products of a weight on, less takes no longer than to wake one up; with so
 * many rows at a time. */
enum { LEAST_PRODUCTS = 1 << 22, LEAST_ROWS = 4 };

/* Counts the tokens of each message, of which there must be one, and nothing but padding behind them. */
static int find_starts(const Workspace *workspace, const int64_t *mask, size_t messages, size_t tokens) {
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

/* What follows is work for the members of a team: each kind with what it needs, and what does a part of it. */

typedef struct {
    const Encoder *encoder;
    const Workspace *workspace;
    const int64_t *ids;
    size_t tokens; /* of each row of ids */
    _Atomic(int) *status;
} Embedding;

/* Writes the rows of all messages one after the other, without padding. */
static void embed_rows(const void *argument, size_t from, size_t to, size_t member) {
    const Embedding *work = argument;
    const Encoder *encoder = work->encoder;
    const size_t channels = encoder->channels, width = padded(channels), *starts = work->workspace->starts;
    size_t message = 0;
    for (size_t at = from; at < to; at++) {
        while (starts[message + 1] <= at) message++;
        const size_t token = at - starts[message];
        float *row = work->workspace->hidden + at * width;
        memset(row, 0, width * sizeof *row);
        int status = look_up(&encoder->words, work->ids[message * work->tokens + token], row, channels);
        if (status == ENCODER_DONE) status = look_up(&encoder->positions, (int64_t)token, row, channels);
        if (status != ENCODER_DONE) {
            atomic_store(work->status, status);
            return;
        }
        normalise(row, NULL, channels, encoder->norm.weight, encoder->norm.bias, encoder->epsilon);
    }
    (void)member;
}

typedef struct {
    const Quantizer *quantizer;
    const float *rows;
    size_t stride;
    Quantized to;
} Quantizing;

static void quantize_part(const void *argument, size_t from, size_t to, size_t member) {
    const Quantizing *work = argument;
    const size_t size = planes(work->quantizer) * work->quantizer->depth;
    Quantized part = {work->to.values + from * size, work->to.scales + from};
    quantize_rows(work->quantizer, work->rows + from * work->stride, work->stride, to - from, &part);
    (void)member;
}

/* Up to three products with the same rows. */
typedef struct {
    const Linear *linears[3];
    float *outputs[3];
    size_t count; /* of rows */
    size_t stride;
    const GeluTable *gelu;
    Quantized rows;
} Product;

static void multiply_panels(const void *argument, size_t from, size_t to, size_t member) {
    const Product *work = argument;
    size_t first = 0;
    for (int each = 0; each < 3 && work->linears[each]; each++) {
        const size_t end = first + panels(work->linears[each]);
        const size_t begin = from > first ? from : first, stop = to < end ? to : end;
        if (begin < stop)
            linear_multiply(work->linears[each], begin - first, stop - first, &work->rows, work->count,
                            work->outputs[each], work->stride, work->gelu);
        first = end;
    }
    (void)member;
}

/* Attention of each message with itself; where `first_alone`, only the first token of each asks. */
typedef struct {
    const Encoder *encoder;
    const Workspace *workspace;
    size_t messages;
    int first_alone;
} Attention;

/* Units are the heads of the messages. Writes the context of the rows that asked, one after the other. */
static void attend_heads(const void *argument, size_t from, size_t to, size_t member) {
    const Attention *work = argument;
    const Encoder *encoder = work->encoder;
    const Workspace *workspace = work->workspace;
    const size_t width = padded(encoder->channels), size = encoder->channels / encoder->heads;
    const size_t plane = workspace->starts[work->messages] * width;
    for (size_t unit = from; unit < to; unit++) {
        const size_t message = unit / encoder->heads, column = unit % encoder->heads * size;
        const size_t start = workspace->starts[message], length = workspace->starts[message + 1] - start;
        const size_t asked = work->first_alone ? 1 : length, row = work->first_alone ? message : start;
        const float *queries = workspace->heads + row * width + column;
        const float *keys = workspace->heads + plane + start * width + column;
        attend(queries, asked, keys, keys + plane, length, width, size, workspace->context + row * width + column,
               width, workspace->scratch + member * workspace->scratch_size);
    }
}

/* Rows of the residual stream, to be replaced by LayerNorm(hidden + output). */
typedef struct {
    const Encoder *encoder;
    float *hidden, *output;
    const Norm *norm;
    const Linear *incomplete; /* the layer whose output it is, if it has to be completed; NULL otherwise */
    const float *wide;        /* what that layer was given */
} Residual;

static void add_and_normalise(const void *argument, size_t from, size_t to, size_t member) {
    const Residual *work = argument;
    const size_t channels = work->encoder->channels, width = padded(channels), wide = padded(work->encoder->hidden);
    if (work->incomplete)
        linear_complete(work->incomplete, work->wide + from * wide, wide, to - from, work->output + from * width,
                        width);
    for (size_t row = from; row < to; row++)
        normalise(work->hidden + row * width, work->output + row * width, channels, work->norm->weight,
                  work->norm->bias, work->encoder->epsilon);
    (void)member;
}

/* A run, and who does it. */
typedef struct {
    const Encoder *encoder;
    const Workspace *workspace;
    size_t messages;
    Team team;
} Run;

static void quantize(Run *run, const Quantizer *quantizer, const float *rows, size_t stride, size_t count) {
    const Quantizing work = {quantizer, rows, stride, {run->workspace->quantised, run->workspace->scales}};
    team_do(&run->team, quantize_part, &work, count, LEAST_ROWS);
}

/* Multiplies what was quantised last. */
static void multiply(Run *run, const Linear *linear, size_t count, float *output, size_t stride,
                     const GeluTable *gelu) {
    const Workspace *workspace = run->workspace;
    const Product work = {{linear}, {output}, count, stride, gelu, {workspace->quantised, workspace->scales}};
    team_do(&run->team, multiply_panels, &work, panels(linear), 1);
}

static void attend_all(Run *run, int first_alone) {
    const Attention work = {run->encoder, run->workspace, run->messages, first_alone};
    team_do(&run->team, attend_heads, &work, run->messages * run->encoder->heads, 1);
}

static void feed_forward(Run *run, const Layer *layer, size_t rows) {
    const Encoder *encoder = run->encoder;
    const Workspace *workspace = run->workspace;
    const size_t width = padded(encoder->channels), wide = padded(encoder->hidden);
    for (size_t row = 0; row < rows; row += CHUNK) {
        const size_t count = rows - row < CHUNK ? rows - row : CHUNK;
        float *hidden = workspace->hidden + row * width, *output = workspace->context;
        quantize(run, &layer->up.input, hidden, width, count);
        multiply(run, &layer->up, count, workspace->wide, wide, &encoder->gelu);
        quantize(run, &layer->down.input, workspace->wide, wide, count);
        multiply(run, &layer->down, count, output, width, NULL);
        const Residual work = {encoder, hidden, output, &layer->output_norm, &layer->down, workspace->wide};
        team_do(&run->team, add_and_normalise, &work, count, LEAST_ROWS);
    }
}

/* Moves the first row of each message to the front: of the last layer, nothing else is asked for. */
static void keep_first_rows(const Encoder *encoder, const Workspace *workspace, size_t messages) {
    const size_t width = padded(encoder->channels);
    for (size_t message = 1; message < messages; message++)
        memmove(workspace->hidden + message * width, workspace->hidden + workspace->starts[message] * width,
                width * sizeof(float));
}

static void run_layer(Run *run, const Layer *layer, int last) {
    const Encoder *encoder = run->encoder;
    const Workspace *workspace = run->workspace;
    const size_t width = padded(encoder->channels), rows = workspace->starts[run->messages], plane = rows * width;
    float *queries = workspace->heads, *keys = queries + plane, *values = keys + plane;
    const Quantized quantised = {workspace->quantised, workspace->scales};
    const Product all = {
        {&layer->key, &layer->value, last ? NULL : &layer->query}, {keys, values, queries}, rows, width, NULL,
        quantised};
    quantize(run, &layer->key.input, workspace->hidden, width, rows);
    team_do(&run->team, multiply_panels, &all, (last ? 2 : 3) * panels(&layer->key), 1);
    const size_t asked = last ? run->messages : rows;
    if (last) { /* whose queries were quantised for the first tokens alone */
        keep_first_rows(encoder, workspace, run->messages);
        quantize(run, &layer->query.input, workspace->hidden, width, asked);
        multiply(run, &layer->query, asked, queries, width, NULL);
    }
    attend_all(run, last);
    quantize(run, &layer->out.input, workspace->context, width, asked);
    multiply(run, &layer->out, asked, queries, width, NULL);
    const Residual work = {encoder, workspace->hidden, queries, &layer->attention_norm, NULL, NULL};
    team_do(&run->team, add_and_normalise, &work, asked, LEAST_ROWS);
    feed_forward(run, layer, asked);
}

static void classify(const Encoder *encoder, Workspace *workspace, size_t messages, float *logits) {
    const size_t width = padded(encoder->channels), channels = encoder->channels;
    dense(workspace->hidden, messages, width, encoder->pooler, encoder->pooler_bias, channels, channels,
          workspace->context, width, 1);
    dense(workspace->context, messages, width, encoder->classifier, encoder->classifier_bias, channels, encoder->labels,
          logits, encoder->labels, 0);
}

/* Has the embeddings in the workspace. */
static int begin(Run *run, const int64_t *ids, const int64_t *mask, size_t tokens) {
    _Atomic(int) status = find_starts(run->workspace, mask, run->messages, tokens);
    if (status != ENCODER_DONE) return status;
    const Embedding work = {run->encoder, run->workspace, ids, tokens, &status};
    team_do(&run->team, embed_rows, &work, run->workspace->starts[run->messages], LEAST_ROWS);
    return status;
}

/* Of weights with rows, more or less. */
static size_t count_products(const Encoder *encoder, size_t rows) {
    return rows * encoder->count * encoder->channels * (4 * encoder->channels + 2 * encoder->hidden);
}

int encoder_run(Encoder *encoder, const int64_t *ids, const int64_t *mask, size_t messages, size_t tokens,
                float *logits) {
    Run run = {.encoder = encoder, .messages = messages};
    team_begin(&run.team, count_products(encoder, messages * tokens) < LEAST_PRODUCTS ? 1 : encoder->threads);
    Workspace *workspace = workspace_take(encoder, messages * tokens);
    int status = ENCODER_NO_MEMORY;
    if (workspace) {
        run.workspace = workspace;
        status = begin(&run, ids, mask, tokens);
    }
    if (status == ENCODER_DONE) {
        for (size_t i = 0; i < encoder->count; i++) run_layer(&run, &encoder->layers[i], i + 1 == encoder->count);
        classify(encoder, workspace, messages, logits);
    }
    team_end(&run.team);
    if (workspace) workspace_leave(encoder, workspace);
    return status;
}

Encoder *encoder_new(size_t threads) {
    Encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder) return NULL;
    encoder->threads = threads;
    team_retain();
    return encoder;
}

void encoder_free(Encoder *encoder) {
    if (!encoder) return;
    team_release();
    for (size_t i = 0; encoder->layers && i < encoder->count; i++) {
        Layer *layer = &encoder->layers[i];
        Linear *linears[] = {&layer->query, &layer->key, &layer->value, &layer->out, &layer->up, &layer->down};
        for (int each = 0; each < 6; each++) linear_free(linears[each]);
    }
    free(encoder->layers);
    workspaces_free(encoder);
    free(encoder);
}
