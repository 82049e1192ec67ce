/* The encoder as an operator of onnxruntime's CPU provider, named spam_edge.SpamEncoder.
 *
 * Inputs: token ids and attention mask, both int64 of shape (messages, tokens), then the constants of the model in the
 * order in which export/fused.py writes them. Output: logits, fp32 of shape (messages, labels). */

#include <stdlib.h>
#include <string.h>

#include "encoder.h"
#include "onnxruntime.h"

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

typedef struct {
    Api api;
    Encoder *encoder;
} Kernel;

/* An operator, and what the options of the session say of it. */
typedef struct {
    Operator operator_;
    size_t threads; /* that may be busy in this process */
} ConfiguredOperator;

/* Hands out the constants one after the other. After the first failure, which is kept, all of them are empty. */
typedef struct {
    Api api;
    const KernelInfo *info;
    size_t next;
    Status *status;
} Constants;

typedef struct {
    const void *data;
    size_t rows, columns; /* a vector is one column */
} Constant;

static Status *fail(Api api, const char *message) { return CALL(api, create_status)(INVALID_ARGUMENT, message); }

static Status *read_shape(Api api, const Value *value, size_t *rows, size_t *columns) {
    Shape *shape = NULL;
    int64_t sizes[2] = {1, 1};
    size_t count = 0;
    Status *status = CALL(api, shape_of)(value, &shape);
    if (status) return status;
    status = CALL(api, dimensions_count)(shape, &count);
    if (!status && count > 2) status = fail(api, "SpamEncoder takes vectors and matrices");
    if (!status) status = CALL(api, dimensions)(shape, sizes, count);
    CALL(api, release_shape)(shape);
    *rows = (size_t)sizes[0];
    *columns = (size_t)sizes[1];
    return status;
}

static Constant take(Constants *constants) {
    Constant constant = {NULL, 0, 0};
    const Value *value = NULL;
    int is_constant = 0;
    void *data = NULL;
    if (!constants->status)
        constants->status =
            CALL(constants->api, constant_input)(constants->info, constants->next++, &is_constant, &value);
    if (!constants->status && !is_constant)
        constants->status = fail(constants->api, "SpamEncoder takes constants behind ids and mask");
    if (!constants->status) constants->status = read_shape(constants->api, value, &constant.rows, &constant.columns);
    /* a constant is only read, but onnxruntime has one function for both */
    if (!constants->status) constants->status = CALL(constants->api, tensor_data)((Value *)value, &data);
    constant.data = data;
    return constants->status ? (Constant){NULL, 0, 0} : constant;
}

/* Returns NULL for an empty constant: what it stands for is not there. */
static const void *take_optional(Constants *constants, size_t *rows) {
    const Constant constant = take(constants);
    if (rows) *rows = constant.rows;
    return constant.rows ? constant.data : NULL;
}

static void read_table(Constants *constants, Table *table, size_t *channels) {
    const Constant coarse = take(constants);
    table->rows = coarse.rows;
    table->coarse = coarse.data;
    *channels = coarse.columns;
    table->scales = take(constants).data;
    table->places = take(constants).data;
    table->fine = take(constants).data;
}

static void read_norm(Constants *constants, Norm *norm) {
    norm->weight = take(constants).data;
    norm->bias = take(constants).data;
}

static void read_linear(Constants *constants, Linear *linear, size_t channels, int after_gelu) {
    const Constant weights = take(constants);
    const float *scales = take(constants).data, *bias = take(constants).data;
    Quantizer *input = &linear->input;
    input->channels = channels;
    input->columns = weights.rows;
    input->depth = (weights.rows + 3) / 4 * 4;
    input->after_gelu = after_gelu;
    input->shares = take_optional(constants, NULL);
    input->repeated = take_optional(constants, NULL);
    input->offsets = take_optional(constants, NULL);
    const float *limit = take_optional(constants, NULL);
    input->limit = limit ? *limit : 0;
    linear->outputs = weights.columns;
    linear->completed_outputs = take_optional(constants, &linear->completed);
    linear->remainder = take_optional(constants, NULL);
    if (!constants->status && linear_pack(linear, weights.data, scales, bias))
        constants->status = fail(constants->api, "SpamEncoder: out of memory");
}

static void read_layer(Constants *constants, Layer *layer, size_t channels) {
    read_linear(constants, &layer->query, channels, 0);
    read_linear(constants, &layer->key, channels, 0);
    read_linear(constants, &layer->value, channels, 0);
    read_linear(constants, &layer->out, channels, 0);
    read_linear(constants, &layer->up, channels, 0);
    read_linear(constants, &layer->down, layer->up.outputs, 1);
    read_norm(constants, &layer->attention_norm);
    read_norm(constants, &layer->output_norm);
}

static Status *read_encoder(Api api, const KernelInfo *info, Encoder *encoder) {
    int64_t layers = 0, heads = 0;
    Status *status = CALL(api, attribute_int)(info, "layers", &layers);
    if (!status) status = CALL(api, attribute_int)(info, "heads", &heads);
    if (!status) status = CALL(api, attribute_float)(info, "epsilon", &encoder->epsilon);
    if (!status && (layers < 1 || heads < 1)) status = fail(api, "SpamEncoder needs at least one layer and one head");
    if (status) return status;
    encoder->heads = (size_t)heads;
    encoder->layers = calloc((size_t)layers, sizeof *encoder->layers);
    if (!encoder->layers) return fail(api, "SpamEncoder: out of memory");
    encoder->count = (size_t)layers;

    Constants constants = {api, info, 2, NULL};
    read_table(&constants, &encoder->words, &encoder->channels);
    read_table(&constants, &encoder->positions, &encoder->channels);
    read_norm(&constants, &encoder->norm);
    for (size_t i = 0; i < encoder->count && !constants.status; i++)
        read_layer(&constants, &encoder->layers[i], encoder->channels);
    gelu_prepare(&encoder->gelu);
    encoder->hidden = encoder->layers[0].up.outputs;
    encoder->pooler = take(&constants).data;
    encoder->pooler_bias = take(&constants).data;
    const Constant classifier = take(&constants);
    encoder->classifier = classifier.data;
    encoder->labels = classifier.columns;
    encoder->classifier_bias = take(&constants).data;
    return constants.status;
}

static Status *create(const Operator *operator_, Api api, const KernelInfo *info, void **result) {
    Kernel *kernel = calloc(1, sizeof *kernel);
    Encoder *encoder = encoder_new(((const ConfiguredOperator *)operator_)->threads);
    if (!kernel || !encoder) {
        free(kernel);
        encoder_free(encoder);
        return fail(api, "SpamEncoder: out of memory");
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

static Status *compute(void *pointer, KernelContext *context) {
    const Kernel *kernel = pointer;
    const Api api = kernel->api;
    const Value *ids = NULL, *mask = NULL;
    Value *result = NULL;
    void *ids_data = NULL, *mask_data = NULL, *logits = NULL;
    size_t messages = 0, tokens = 0, mask_messages = 0, mask_tokens = 0;

    Status *status = CALL(api, input)(context, 0, &ids);
    if (!status) status = CALL(api, input)(context, 1, &mask);
    if (!status) status = read_shape(api, ids, &messages, &tokens);
    if (!status) status = read_shape(api, mask, &mask_messages, &mask_tokens);
    if (!status && (messages != mask_messages || tokens != mask_tokens))
        status = fail(api, "SpamEncoder: ids and mask differ in shape");
    const int64_t shape[] = {(int64_t)messages, (int64_t)kernel->encoder->labels};
    if (!status) status = CALL(api, output)(context, 0, shape, 2, &result);
    if (!status) status = CALL(api, tensor_data)((Value *)ids, &ids_data);
    if (!status) status = CALL(api, tensor_data)((Value *)mask, &mask_data);
    if (!status) status = CALL(api, tensor_data)(result, &logits);
    if (status) return status;
    switch (encoder_run(kernel->encoder, ids_data, mask_data, messages, tokens, logits)) {
        case ENCODER_DONE: return NULL;
        case ENCODER_NO_MEMORY: return fail(api, "SpamEncoder: out of memory");
        default:
            return fail(api,
                        "SpamEncoder: a token id or position is not in its table, or a message has no token or "
                        "has tokens behind its padding");
    }
}

static void destroy(void *pointer) {
    Kernel *kernel = pointer;
    encoder_free(kernel->encoder);
    free(kernel);
}

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

/* One thread where the options do not say how many. */
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

/* Called by onnxruntime when a session is given this library. */
EXPORTED Status *RegisterCustomOps(SessionOptions *options, const ApiBase *base) {
    const Api api = base->get_api(API_VERSION);
    size_t threads = 1;
    Status *status = read_threads(api, options, &threads);
    if (status) return status;
    Domain *domain = NULL;
    ConfiguredOperator *configured = calloc(1, sizeof *configured);
    if (!configured) return fail(api, "SpamEncoder: out of memory");
    *configured = (ConfiguredOperator){encoder_operator, threads};
    status = CALL(api, create_domain)("spam_edge", &domain);
    if (!status) status = CALL(api, domain_add)(domain, &configured->operator_);
    if (!status) status = CALL(api, add_domain)(options, domain);
    return status; /* domain and operator have to outlive every session, and are small */
}
