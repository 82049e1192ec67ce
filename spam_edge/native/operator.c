/* onnxruntime custom operator spam_edge.SpamEncoder for the CPU provider: logits (M, L) of token ids (M, S).
 *
 * Inputs: token ids and attention mask, int64 (M, S), for M messages of up to S tokens; then constants, in the order in
 * which export/quantization/fused.py writes them, with C channels, V ids, P positions, F channels in the feed-forward
 * block:
 *
 *   words          coarse int8 (V, C), scales fp32 (V), places int16 (V), fine int8 (rows, C); see Table
 *   positions      the same with P rows
 *   norm           weight, bias fp32 (C)
 *   each layer     query, key, value, out, up, down; attention norm, output norm
 *     linear       weights int8 (columns, outputs) or packed (see below), scales and bias fp32 (outputs); then, each
 *                  empty if not used:
 *                  shares fp32 (channels), repeated int32 and offsets fp32 (columns - channels), limit fp32 (1),
 *                  completed int32 (completed), remainder fp32 (completed, channels); see Quantizer and Linear
 *   pooler         weights fp32 (C, C), bias (C)
 *   classifier     weights fp32 (C, L), bias (L)
 *
 * Attributes: layers, heads (int), epsilon (float). Output: logits, fp32 (M, L). Session option
 * custom_op.SpamEncoder.threads: maximum busy threads in this process.
 *
 * The host can pack weights with SpamEncoderPack() before it creates a session, and give them in place of those of the
 * file: uint8 of the shape SpamEncoderPackedShape(), aligned to 64 bytes. The operator uses them where they are, and packs
 * others into memory of its own. Each library has its own order. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aligned.h"
#include "constants.h"
#include "encoder.h"
#include "onnxruntime.h"
#include "permission.h"

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

typedef struct {
    Api api;
    Encoder *encoder;
} Kernel;

/* The operator with its session options. onnxruntime passes a pointer to the first member back. */
typedef struct {
    Operator operator_;
    size_t threads; /* maximum busy threads in this process */
} ConfiguredOperator;

/* Inputs of the operator: ids, mask, and constants outside the layers; constants of a layer. */
enum { OUTSIDE_LAYERS = 16, OF_A_LAYER = 58 };

/* Constants of a linear layer, as places behind its weights. */
enum { SCALES = 1, REPEATED = 4 };

/* Widest matrix. No product of sizes that a model decides overflows below it. */
enum { WIDEST = 1 << 20 };

/* Names the part of the model to which the next constants belong. */
static void enter(Constants *constants, const char *part) {
    snprintf(constants->part, sizeof constants->part, "%s", part);
}

static void enter_layer(Constants *constants, size_t layer, const char *part) {
    snprintf(constants->part, sizeof constants->part, "layer %zu %s", layer, part);
}

/* `channels` is ANY for the first table. */
static void read_table(Constants *constants, const char *part, Table *table, size_t channels) {
    enter(constants, part);
    const Tensor coarse = take_matrix(constants, "coarse", INT8, ANY, channels);
    table->rows = coarse.rows;
    table->channels = coarse.columns;
    table->coarse = coarse.data;
    table->scales = take_vector(constants, "scales", FLOAT, table->rows).data;
    const Tensor places = take_vector(constants, "places", INT16, table->rows);
    table->places = places.data;
    const Tensor fine = take_matrix(constants, "fine", INT8, ANY, table->channels);
    table->fine = fine.data;
    check_indices(constants, "places", INT16, places, fine.rows);
}

static void read_norm(Constants *constants, Norm *norm, size_t channels) {
    norm->weight = take_vector(constants, "weight", FLOAT, channels).data;
    norm->bias = take_vector(constants, "bias", FLOAT, channels).data;
}

/* Reads the constants of channel splitting, which are empty if no column is repeated, and the limit. */
static void read_quantizer(Constants *constants, Quantizer *input) {
    const size_t more = input->columns - input->channels;
    input->shares = take_vector(constants, "shares", FLOAT, more ? input->channels : 0).data;
    const Tensor repeated = take_vector(constants, "repeated", INT32, more);
    check_indices(constants, "repeated", INT32, repeated, input->channels);
    input->repeated = repeated.data;
    input->offsets = take_vector(constants, "offsets", FLOAT, more).data;
    if (!more) input->shares = input->offsets = NULL, input->repeated = NULL;
    const Tensor limit = take_optional(constants, "limit", FLOAT, 1);
    if (limit.rows) memcpy(&input->limit, limit.data, sizeof input->limit);
    if (limit.rows && !(input->limit > 0 && isfinite(FINER / coarse_step(input))))
        refuse(constants, "limit", "must be above 0, not %g", (double)input->limit);
    if (limit.rows && more) refuse(constants, "limit", "must be empty where channels are split");
}

/* Reads the outputs with an fp32 residual correction. Only the last layer of the feed-forward block can have one. */
static void read_completed(Constants *constants, Linear *linear) {
    const size_t most = linear->input.after_gelu ? linear->outputs : 0;
    const Tensor completed = take_optional(constants, "completed", INT32, most);
    check_indices(constants, "completed", INT32, completed, linear->outputs);
    linear->completed = completed.rows;
    linear->completed_outputs = completed.data;
    linear->remainder = completed.rows ? take_matrix(constants, "remainder", FLOAT, completed.rows,
                                                     linear->input.channels).data
                                       : take_vector(constants, "remainder", FLOAT, 0).data;
}

/* Reads weights that SpamEncoderPack() has packed. Their shape is padded: the constants behind them have the sizes. */
static Tensor take_packed(Constants *constants, size_t channels, size_t outputs) {
    const size_t columns = channels + size_ahead(constants, REPEATED);
    if (outputs == ANY) outputs = size_ahead(constants, SCALES);
    const Tensor packed = take_matrix(constants, "weights", UINT8, ANY, ANY);
    if (columns > DEEPEST || outputs < 1 || outputs > WIDEST || packed.rows != packed_rows(columns) ||
        packed.columns != padded(outputs) || (uintptr_t)packed.data % ALIGNMENT)
        refuse(constants, "weights", "of uint8 must be packed by this library, and aligned to %d bytes", ALIGNMENT);
    return (Tensor){packed.data, columns, outputs};
}

static Tensor take_weights(Constants *constants, size_t channels, size_t outputs) {
    const Tensor weights = take_matrix(constants, "weights", INT8, ANY, outputs);
    if (!constants->status && (weights.rows < channels || weights.rows > DEEPEST))
        refuse(constants, "weights", "must have %zu to %d rows, not %zu", channels, DEEPEST, weights.rows);
    if (weights.columns > WIDEST) refuse(constants, "weights", "must have at most %d columns", WIDEST);
    return weights;
}

/* `outputs` is ANY for the first layer of the first feed-forward block. */
static void read_linear(Constants *constants, Linear *linear, size_t channels, size_t outputs, int after_gelu) {
    const int packed = type_of_next(constants) == UINT8;
    const Tensor weights = (packed ? take_packed : take_weights)(constants, channels, outputs);
    if (constants->status) return;
    linear->outputs = weights.columns;
    linear->input = (Quantizer){.channels = channels,
                                .columns = weights.rows,
                                .depth = deepened(weights.rows),
                                .after_gelu = after_gelu};
    const float *scales = take_vector(constants, "scales", FLOAT, linear->outputs).data;
    const float *bias = take_vector(constants, "bias", FLOAT, linear->outputs).data;
    read_quantizer(constants, &linear->input);
    read_completed(constants, linear);
    if (constants->status) return;
    if (packed) linear->packed = (int8_t *)weights.data; /* only read */
    if ((!packed && linear_pack(linear, weights.data)) || linear_prepare(linear, scales, bias))
        constants->status = fail(constants->api, "out of memory");
}

static int same_values(const void *a, const void *b, size_t bytes) {
    return a == b || (a && b && !memcmp(a, b, bytes));
}

/* Checks that two layers quantise alike: they share the quantised rows. */
static void check_alike(Constants *constants, const Linear *linear, const Linear *other) {
    const Quantizer *a = &linear->input, *b = &other->input;
    if (constants->status) return;
    const size_t more = a->columns - a->channels;
    if (a->columns != b->columns || memcmp(&a->limit, &b->limit, sizeof a->limit) ||
        !same_values(a->shares, b->shares, a->channels * sizeof *a->shares) ||
        !same_values(a->repeated, b->repeated, more * sizeof *a->repeated) ||
        !same_values(a->offsets, b->offsets, more * sizeof *a->offsets))
        refuse(constants, "input", "must be quantised like that of key");
}

static void read_layer(Constants *constants, Encoder *encoder, size_t number) {
    Layer *layer = &encoder->layers[number];
    const size_t channels = encoder->channels;
    enter_layer(constants, number, "query");
    read_linear(constants, &layer->query, channels, channels, 0);
    enter_layer(constants, number, "key");
    read_linear(constants, &layer->key, channels, channels, 0);
    if (number + 1 < encoder->count) { /* the last layer quantises queries on their own */
        enter_layer(constants, number, "query");
        check_alike(constants, &layer->query, &layer->key);
    }
    enter_layer(constants, number, "value");
    read_linear(constants, &layer->value, channels, channels, 0);
    check_alike(constants, &layer->value, &layer->key);
    enter_layer(constants, number, "out");
    read_linear(constants, &layer->out, channels, channels, 0);
    enter_layer(constants, number, "up");
    read_linear(constants, &layer->up, channels, number ? encoder->hidden : ANY, 0);
    if (!number) encoder->hidden = layer->up.outputs;
    enter_layer(constants, number, "down");
    read_linear(constants, &layer->down, encoder->hidden, channels, 1);
    enter_layer(constants, number, "attention norm");
    read_norm(constants, &layer->attention_norm, channels);
    enter_layer(constants, number, "output norm");
    read_norm(constants, &layer->output_norm, channels);
}

static void read_head(Constants *constants, Encoder *encoder) {
    const size_t channels = encoder->channels;
    enter(constants, "pooler");
    encoder->pooler = take_matrix(constants, "weights", FLOAT, channels, channels).data;
    encoder->pooler_bias = take_vector(constants, "bias", FLOAT, channels).data;
    enter(constants, "classifier");
    const Tensor classifier = take_matrix(constants, "weights", FLOAT, channels, ANY);
    encoder->classifier = classifier.data;
    encoder->labels = classifier.columns;
    if (encoder->labels > WIDEST) refuse(constants, "weights", "must have at most %d columns", WIDEST);
    encoder->classifier_bias = take_vector(constants, "bias", FLOAT, encoder->labels).data;
}

/* Reads attributes, and allocates the layers. Their number must fit the number of inputs. */
static Status *read_attributes(Api api, const KernelInfo *info, Encoder *encoder) {
    int64_t layers = 0, heads = 0;
    size_t inputs = 0;
    Status *status = CALL(api, attribute_int)(info, "layers", &layers);
    if (!status) status = CALL(api, attribute_int)(info, "heads", &heads);
    if (!status) status = CALL(api, attribute_float)(info, "epsilon", &encoder->epsilon);
    if (!status) status = CALL(api, input_count)(info, &inputs);
    if (status) return status;
    const size_t count = inputs < OUTSIDE_LAYERS ? 0 : (inputs - OUTSIDE_LAYERS) / OF_A_LAYER;
    if (layers < 1 || (uint64_t)layers != count || inputs != OUTSIDE_LAYERS + OF_A_LAYER * count)
        return fail(api, "%zu inputs do not fit the attribute layers, %lld", inputs, (long long)layers);
    if (heads < 1) return fail(api, "attribute heads must be at least 1, not %lld", (long long)heads);
    if (!(encoder->epsilon > 0 && isfinite(encoder->epsilon)))
        return fail(api, "attribute epsilon must be finite and above 0");
    encoder->heads = (size_t)heads;
    encoder->layers = calloc(count, sizeof *encoder->layers);
    if (!encoder->layers) return fail(api, "out of memory");
    encoder->count = count;
    return NULL;
}

static Status *read_encoder(Api api, const KernelInfo *info, Encoder *encoder) {
    Status *status = read_attributes(api, info, encoder);
    if (status) return status;
    Constants constants = {.api = api, .info = info, .next = 2};
    read_table(&constants, "words", &encoder->words, ANY);
    encoder->channels = encoder->words.channels;
    if (encoder->channels > WIDEST) refuse(&constants, "coarse", "must have at most %d columns", WIDEST);
    if (encoder->channels % encoder->heads)
        refuse(&constants, "coarse", "has %zu columns, which %zu heads do not divide", encoder->channels,
               encoder->heads);
    read_table(&constants, "positions", &encoder->positions, encoder->channels);
    enter(&constants, "norm");
    read_norm(&constants, &encoder->norm, encoder->channels);
    for (size_t i = 0; i < encoder->count && !constants.status; i++) read_layer(&constants, encoder, i);
    read_head(&constants, encoder);
    gelu_prepare(&encoder->gelu);
    return constants.status;
}

/* Creates the kernel of a node when a session is created. */
static Status *create(const Operator *operator_, Api api, const KernelInfo *info, void **result) {
    Kernel *kernel = calloc(1, sizeof *kernel);
    Encoder *encoder = encoder_new(((const ConfiguredOperator *)operator_)->threads);
    if (!kernel || !encoder) {
        free(kernel);
        encoder_free(encoder);
        return fail(api, "out of memory");
    }
    Status *status = read_encoder(api, info, encoder);
    if (status) {
        encoder_free(encoder);
        free(kernel);
        return status;
    }
    kernel->api = api;
    kernel->encoder = encoder;
    *result = kernel;
    return NULL;
}

/* Explains a status of encoder_run(). */
static Status *explain(const Kernel *kernel, int result) {
    const Api api = kernel->api;
    switch (result) {
        case ENCODER_DONE: return NULL;
        case ENCODER_NO_MEMORY: return fail(api, "out of memory");
        case ENCODER_TOO_LARGE: return fail(api, "the batch is too large");
        case ENCODER_BAD_ID: return fail(api, "a token id is not below %zu", kernel->encoder->words.rows);
        case ENCODER_TOO_LONG: return fail(api, "a message has more than %zu tokens", kernel->encoder->positions.rows);
        default: return fail(api, "a message has no token, or tokens behind its padding");
    }
}

/* Runs the kernel. Thread-safe. */
static Status *compute(void *pointer, KernelContext *context) {
    const Kernel *kernel = pointer;
    const Api api = kernel->api;
    const Value *ids_value = NULL, *mask_value = NULL;
    Value *result = NULL;
    Tensor ids = {NULL, 0, 0}, mask = {NULL, 0, 0};
    void *logits = NULL;

    Status *status = CALL(api, input)(context, 0, &ids_value);
    if (!status) status = CALL(api, input)(context, 1, &mask_value);
    if (!status) status = read_matrix(api, ids_value, INT64, &ids);
    if (!status) status = read_matrix(api, mask_value, INT64, &mask);
    if (!status && (ids.rows != mask.rows || ids.columns != mask.columns))
        status = fail(api, "ids and mask differ in shape");
    const int64_t shape[] = {(int64_t)ids.rows, (int64_t)kernel->encoder->labels};
    if (!status) status = CALL(api, output)(context, 0, shape, 2, &result);
    if (!status) status = CALL(api, tensor_data)(result, &logits);
    if (status) return status;
    return explain(kernel, encoder_run(kernel->encoder, ids.data, mask.data, ids.rows, ids.columns, logits));
}

static void destroy(void *pointer) {
    Kernel *kernel = pointer;
    encoder_free(kernel->encoder);
    free(kernel);
}

/* Callbacks of OrtCustomOp. The constants are one variadic input of mixed types. */
static const char *name(const Operator *operator_) { return (void)operator_, "SpamEncoder"; }
static const char *provider(const Operator *operator_) { return (void)operator_, "CPUExecutionProvider"; }
static size_t inputs(const Operator *operator_) { return (void)operator_, 3; }
static size_t outputs(const Operator *operator_) { return (void)operator_, 1; }
static int output_type(const Operator *operator_, size_t index) { return (void)operator_, (void)index, FLOAT; }
static int output_kind(const Operator *operator_, size_t index) { return (void)operator_, (void)index, REQUIRED; }
static int memory_type(const Operator *operator_, size_t index) { return (void)operator_, (void)index, DEFAULT_MEMORY; }
static int at_least_one(const Operator *operator_) { return (void)operator_, 1; }
static int of_any_types(const Operator *operator_) { return (void)operator_, 0; }

static int input_type(const Operator *operator_, size_t index) {
    (void)operator_;
    return index < 2 ? INT64 : UNDEFINED;
}

static int input_kind(const Operator *operator_, size_t index) {
    (void)operator_;
    return index < 2 ? REQUIRED : VARIADIC;
}

static const Operator encoder_operator = {
    .version = API_VERSION,
    .name = name,
    .provider = provider,
    .input_type = input_type,
    .input_type_count = inputs,
    .output_type = output_type,
    .output_type_count = outputs,
    .destroy = destroy,
    .input_characteristic = input_kind,
    .output_characteristic = output_kind,
    .input_memory_type = memory_type,
    .variadic_input_min_arity = at_least_one,
    .variadic_input_homogeneity = of_any_types,
    .variadic_output_min_arity = at_least_one,
    .variadic_output_homogeneity = of_any_types,
    .create = create,
    .compute = compute,
};

/* Reads the thread limit from the session options; 1 if it is not set. */
static Status *read_threads(Api api, const SessionOptions *options, size_t *threads) {
    static const char *const key = "custom_op.SpamEncoder.threads";
    char text[24] = "1", *end = text;
    size_t size = sizeof text;
    int is_set = 0;
    Status *status = CALL(api, has_setting)(options, key, &is_set);
    if (!status && is_set) status = CALL(api, setting)(options, key, text, &size);
    if (status) return status;
    const long number = strtol(text, &end, 10);
    if (number < 1 || *end) return fail(api, "custom_op.SpamEncoder.threads has to be a number of at least 1");
    *threads = (size_t)number;
    return NULL;
}

/* Returns the status for an onnxruntime without API_VERSION. Without FIRST_API_VERSION nothing can make a status: then
 * the reason is printed, and no operator is registered. */
static Status *refuse_version(const ApiBase *base) {
    char message[128];
    snprintf(message, sizeof message, "SpamEncoder needs onnxruntime 1.%d or later; this is onnxruntime %s",
             API_VERSION, base->get_version());
    const Api api = base->get_api(FIRST_API_VERSION);
    if (api) return CALL(api, create_status)(FAIL, message);
    fprintf(stderr, "%s\n", message);
    return NULL;
}

/* Returns whether the kernel lets this process use the instruction set. spam_edge/runtime/custom_operator.py asks
 * before it chooses this library. */
EXPORTED int SpamEncoderPermitted(void) { return ask_permission(); }

/* Entry point: onnxruntime calls it when the library is registered with the options of a session. */
EXPORTED Status *RegisterCustomOps(SessionOptions *options, const ApiBase *base) {
    const Api api = base->get_api(API_VERSION);
    if (!api) return refuse_version(base);
    if (!ask_permission()) return fail(api, "the kernel gives this process no permission for AMX");
    size_t threads = 1;
    Status *status = read_threads(api, options, &threads);
    if (status) return status;
    Domain *domain = NULL;
    ConfiguredOperator *configured = calloc(1, sizeof *configured);
    if (!configured) return fail(api, "out of memory");
    *configured = (ConfiguredOperator){encoder_operator, threads};
    status = CALL(api, create_domain)("spam_edge", &domain);
    if (!status) status = CALL(api, domain_add)(domain, &configured->operator_);
    if (!status) status = CALL(api, add_domain)(options, domain);
    return status; /* domain and operator must outlive every session: never freed, and small */
}

/* Sets the shape of packed weights. */
EXPORTED void SpamEncoderPackedShape(size_t columns, size_t outputs, size_t shape[2]) {
    shape[0] = packed_rows(columns);
    shape[1] = padded(outputs);
}

/* Packs int8 weights (columns, outputs) into `packed`; see the beginning of this file. */
EXPORTED void SpamEncoderPack(const int8_t *weights, size_t columns, size_t outputs, int8_t *packed) {
    linear_pack_weights(weights, columns, outputs, packed);
}
