/* Forward pass of DistilBERT, partitioned over the thread pool.
 *
 * M messages with T tokens in all, C channels, H heads of D = C / H channels, F channels in the feed-forward block,
 * L labels. Rows are the tokens of all messages, one after the other, without padding.
 *
 *   embeddings  X (T, C) = layer_norm(words[id] + positions[index in the message])
 *   each layer  Q, K, V (T, C) = X Wq + bq, X Wk + bk, X Wv + bv             int8 GEMM
 *               A (T, C) = softmax(Q K^T / sqrt(D)) V                         per message and head
 *               X (T, C) = layer_norm(X + A Wo + bo)                          int8 GEMM
 *               X (T, C) = layer_norm(X + gelu(X Wu + bu) Wd + bd)            int8 GEMM, in chunks of CHUNK rows
 *   head        logits (M, L) = relu(first rows (M, C) Wp + bp) Wc + bc       fp32
 *
 * The head reads the first token of each message only. So the last layer computes keys and values for all T rows, and
 * everything else for M rows.
 *
 * Matrices of C channels are stored with a row stride of padded(C) floats, those of F channels with padded(F). Each
 * step is split into units (rows, GEMM panels, heads). No sum crosses units, so results are bit-identical for any
 * number of threads. */

#include "encoder.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h"
#include "thread_pool.h"
#include "workspace.h"

/* Multiply-adds below which a run uses one thread, because waking another takes longer; minimum rows per task. */
enum { LEAST_PRODUCTS = 1 << 22, LEAST_ROWS = 4 };

/* Fills starts (messages + 1) from the mask (messages, tokens), and checks that all padding is on the right, and that
 * each token has one of `positions`. */
static int find_starts(const Workspace *workspace, const int64_t *mask, size_t messages, size_t tokens,
                       size_t positions) {
    size_t start = 0;
    for (size_t message = 0; message < messages; message++) {
        size_t length = 0;
        while (length < tokens && mask[message * tokens + length]) length++;
        if (length == 0) return ENCODER_BAD_MASK;
        if (length > positions) return ENCODER_TOO_LONG;
        for (size_t token = length; token < tokens; token++)
            if (mask[message * tokens + token]) return ENCODER_BAD_MASK;
        workspace->starts[message] = start;
        start += length;
    }
    workspace->starts[messages] = start;
    return ENCODER_DONE;
}

/* Adds a row of an embedding table to `to` (channels). */
static void look_up(const Table *table, size_t row, float *to) {
    const size_t channels = table->channels;
    float scale;
    int16_t place;
    memcpy(&scale, (const char *)table->scales + row * sizeof scale, sizeof scale);
    memcpy(&place, (const char *)table->places + row * sizeof place, sizeof place);
    add_table_row(to, table->coarse + row * channels, table->fine + (size_t)place * channels, scale, channels);
}

/* Tasks of the thread pool: for each, its arguments, and a function that does units `from` to `to` - 1. */

typedef struct {
    const Encoder *encoder;
    const Workspace *workspace;
    const int64_t *ids;
    size_t tokens; /* columns of ids */
    _Atomic(int) *status;
} Embedding;

/* Units are rows. Writes hidden rows `from` to `to` - 1: embeddings and layer norm. */
static void embed_rows(const void *argument, size_t from, size_t to, size_t member) {
    const Embedding *work = argument;
    const Encoder *encoder = work->encoder;
    const size_t channels = encoder->channels, width = padded(channels), *starts = work->workspace->starts;
    size_t message = 0;
    for (size_t at = from; at < to; at++) {
        while (starts[message + 1] <= at) message++;
        const size_t token = at - starts[message];
        const int64_t id = work->ids[message * work->tokens + token];
        if (id < 0 || (uint64_t)id >= encoder->words.rows) {
            atomic_store(work->status, ENCODER_BAD_ID);
            return;
        }
        float *row = work->workspace->hidden + at * width;
        memset(row, 0, width * sizeof *row);
        look_up(&encoder->words, (size_t)id, row);
        look_up(&encoder->positions, token, row);
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

/* Units are rows. */
static void quantize_part(const void *argument, size_t from, size_t to, size_t member) {
    const Quantizing *work = argument;
    const size_t size = planes(work->quantizer) * work->quantizer->depth;
    Quantized part = {work->to.values + from * size, work->to.scales + from};
    quantize_rows(work->quantizer, work->rows + from * work->stride, work->stride, to - from, &part);
    (void)member;
}

/* Up to three linear layers with the same input. */
typedef struct {
    const Linear *linears[3];
    float *outputs[3];
    size_t count; /* rows */
    size_t stride;
    const GeluTable *gelu;
    Quantized rows;
} Product;

/* Units are the panels of all layers, one layer after the other. */
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

/* Self-attention within each message. `first_alone`: queries are the first token of each message only, (M, C). */
typedef struct {
    const Encoder *encoder;
    const Workspace *workspace;
    size_t messages;
    int first_alone;
} Attention;

/* Units are pairs of message and head. Writes one row of context per query row, without gaps. */
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

/* hidden = layer_norm(hidden + output), both (rows, channels). */
typedef struct {
    const Encoder *encoder;
    float *hidden, *output;
    const Norm *norm;
    const Linear *incomplete; /* layer whose output still needs its fp32 residual correction; NULL if none does */
    const float *wide;        /* fp32 input of that layer, (rows, hidden) */
} Residual;

/* Units are rows. */
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

/* A call of encoder_run, and its threads. */
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

/* Applies a linear layer to the rows that were quantised last. */
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

/* Feed-forward block, residual and layer norm, in chunks: the (CHUNK, F) activations stay in the cache. */
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

/* Moves the first row of each message to the front, hidden (T, C) to (M, C), for the last layer. */
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
    if (last) { /* queries of the first tokens only */
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

/* Classification head: hidden (M, C) to logits (M, L). */
static void classify(const Encoder *encoder, Workspace *workspace, size_t messages, float *logits) {
    const size_t width = padded(encoder->channels), channels = encoder->channels;
    dense(workspace->hidden, messages, width, encoder->pooler, encoder->pooler_bias, channels, channels,
          workspace->context, width, 1);
    dense(workspace->context, messages, width, encoder->classifier, encoder->classifier_bias, channels, encoder->labels,
          logits, encoder->labels, 0);
}

/* Checks the mask and writes the embeddings into the workspace. */
static int begin(Run *run, const int64_t *ids, const int64_t *mask, size_t tokens) {
    _Atomic(int) status = find_starts(run->workspace, mask, run->messages, tokens, run->encoder->positions.rows);
    if (status != ENCODER_DONE) return status;
    const Embedding work = {run->encoder, run->workspace, ids, tokens, &status};
    team_do(&run->team, embed_rows, &work, run->workspace->starts[run->messages], LEAST_ROWS);
    return status;
}

/* Approximate multiply-adds of the linear layers; SIZE_MAX if it is larger. */
static size_t count_products(const Encoder *encoder, size_t rows) {
    size_t products = encoder->channels * (4 * encoder->channels + 2 * encoder->hidden);
    if (__builtin_mul_overflow(products, encoder->count, &products) ||
        __builtin_mul_overflow(products, rows, &products))
        return SIZE_MAX;
    return products;
}

int encoder_run(Encoder *encoder, const int64_t *ids, const int64_t *mask, size_t messages, size_t tokens,
                float *logits) {
    Run run = {.encoder = encoder, .messages = messages};
    size_t rows, units;
    if (__builtin_mul_overflow(messages, tokens, &rows) || __builtin_mul_overflow(rows, encoder->heads, &units) ||
        units > UNITS_MOST)
        return ENCODER_TOO_LARGE;
    team_begin(&run.team, count_products(encoder, rows) < LEAST_PRODUCTS ? 1 : encoder->threads);
    Workspace *workspace = workspace_take(encoder, rows);
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
