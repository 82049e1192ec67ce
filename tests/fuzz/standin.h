/* A stand-in for onnxruntime: as much of its C API as the fused operator calls, with tensors from a file.
 *
 * Each tensor ends at a page that cannot be read, so that vector instructions, which sanitizers do not see, fault. */

#ifndef SPAM_EDGE_STANDIN_H
#define SPAM_EDGE_STANDIN_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "onnxruntime.h"

enum { CONSTANT, VARIABLE, MISSING }; /* kinds of input */
enum { PAGE = 4096, SLOTS = 256 };

struct Value {
    int32_t kind, type, rank, shift; /* shift: bytes between the data and the guard page */
    int64_t sizes[8];
    size_t bytes;
    char *memory, *data;
};
struct Shape {
    int32_t type, rank;
    int64_t sizes[8];
};
struct Status {
    char message[512];
};
struct KernelInfo {
    int64_t layers, heads;
    float epsilon;
    size_t count;
    struct Value *inputs;
};
struct KernelContext {
    struct Value *inputs, result;
};

static const Operator *registered;
static int threads_set = 2; /* the session option */

static void map_value(Value *value) {
    const size_t size = (value->bytes + (size_t)value->shift + PAGE - 1) / PAGE * PAGE;
    value->memory = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (value->memory == MAP_FAILED || mprotect(value->memory + size, PAGE, PROT_NONE)) abort();
    value->data = value->memory + size - value->bytes - value->shift;
}

static void unmap_value(Value *value) {
    const size_t size = (value->bytes + (size_t)value->shift + PAGE - 1) / PAGE * PAGE;
    munmap(value->memory, size + PAGE);
}

static Status *new_status(int code, const char *message) {
    Status *status = calloc(1, sizeof *status);
    snprintf(status->message, sizeof status->message, "%d %s", code, message);
    return status;
}
static Status *new_domain(const char *name, Domain **domain) { return *domain = NULL, (void)name, NULL; }
static Status *add_operator(Domain *domain, const void *operator_) {
    registered = operator_;
    return (void)domain, NULL;
}
static Status *keep_domain(SessionOptions *options, Domain *domain) { return (void)options, (void)domain, NULL; }
static Status *data_of(Value *value, void **data) { return *data = value->data, NULL; }
static Status *type_of(const Shape *shape, int *type) { return *type = shape->type, NULL; }
static Status *rank_of(const Shape *shape, size_t *count) { return *count = (size_t)shape->rank, NULL; }
static Status *sizes_of(const Shape *shape, int64_t *sizes, size_t count) {
    memcpy(sizes, shape->sizes, count * sizeof *sizes);
    return NULL;
}
static Status *new_shape(const Value *value, Shape **shape) {
    *shape = calloc(1, sizeof **shape);
    (*shape)->type = value->type;
    (*shape)->rank = value->rank;
    memcpy((*shape)->sizes, value->sizes, sizeof value->sizes);
    return NULL;
}
static void free_shape(Shape *shape) { free(shape); }
static Status *float_of(const KernelInfo *info, const char *name, float *value) {
    return *value = info->epsilon, (void)name, NULL;
}
static Status *integer_of(const KernelInfo *info, const char *name, int64_t *value) {
    return *value = strcmp(name, "layers") ? info->heads : info->layers, NULL;
}
static Status *input_of(const KernelContext *context, size_t index, const Value **value) {
    *value = context->inputs[index].kind == MISSING ? NULL : &context->inputs[index];
    return NULL;
}
static Status *new_output(KernelContext *context, size_t index, const int64_t *sizes, size_t count, Value **value) {
    size_t size = sizeof(float);
    for (size_t i = 0; i < count; i++)
        if (sizes[i] < 0 || __builtin_mul_overflow(size, (size_t)sizes[i], &size) || size > 1 << 30)
            return new_status(FAIL, "SpamEncoder: stand-in: no memory for the output");
    context->result = (Value){.type = FLOAT, .rank = (int)count, .bytes = size};
    map_value(&context->result);
    return *value = &context->result, (void)index, NULL;
}
static Status *setting_is_set(const SessionOptions *options, const char *name, int *has) {
    return *has = 1, (void)options, (void)name, NULL;
}
static Status *setting_of(const SessionOptions *options, const char *name, char *value, size_t *size) {
    snprintf(value, *size, "%d", threads_set);
    return (void)options, (void)name, NULL;
}
static Status *count_of(const KernelInfo *info, size_t *count) { return *count = info->count, NULL; }
static Status *constant_of(const KernelInfo *info, size_t index, int *is_constant, const Value **value) {
    *is_constant = index < info->count && info->inputs[index].kind == CONSTANT;
    return *value = *is_constant ? &info->inputs[index] : NULL, NULL;
}

static const void *functions[SLOTS] = {
    [create_status] = new_status,     [create_domain] = new_domain, [domain_add] = add_operator,
    [add_domain] = keep_domain,       [tensor_data] = data_of,      [element_type] = type_of,
    [dimensions_count] = rank_of,     [dimensions] = sizes_of,      [shape_of] = new_shape,
    [attribute_float] = float_of,     [attribute_int] = integer_of, [input] = input_of,
    [output] = new_output,            [release_shape] = free_shape, [input_count] = count_of,
    [has_setting] = setting_is_set,   [setting] = setting_of,       [constant_input] = constant_of,
};
static Api get_api(uint32_t version) { return (void)version, (Api)functions; }
static const char *get_version(void) { return "0"; }

Status *RegisterCustomOps(SessionOptions *options, const ApiBase *base);

static void read_bytes(FILE *file, void *to, size_t size) {
    if (size && fread(to, size, 1, file) != 1) exit(0); /* the end of the file */
}

static Value read_value(FILE *file) {
    Value value = {0};
    int64_t bytes;
    read_bytes(file, &value.kind, sizeof value.kind);
    read_bytes(file, &value.type, sizeof value.type);
    read_bytes(file, &value.rank, sizeof value.rank);
    read_bytes(file, &value.shift, sizeof value.shift);
    read_bytes(file, value.sizes, (size_t)value.rank * sizeof *value.sizes);
    read_bytes(file, &bytes, sizeof bytes);
    value.bytes = (size_t)bytes;
    map_value(&value);
    read_bytes(file, value.data, value.bytes);
    return value;
}

/* Reads the tensors of the sound model, with which a file begins. */
static size_t read_sound(FILE *file, Value sound[1024]) {
    int32_t tensors;
    read_bytes(file, &tensors, sizeof tensors);
    for (int32_t i = 0; i < tensors; i++) sound[i] = read_value(file);
    return (size_t)tensors;
}

/* Weights of linear layers among the inputs, see operator.c: the first, layers and linear layers of them apart. */
enum { FIRST_WEIGHTS = 12, OF_LAYER = 58, LINEARS = 6, OF_LINEAR = 9 };

void SpamEncoderPackedShape(size_t columns, size_t outputs, size_t shape[2]);
void SpamEncoderPack(const int8_t *weights, size_t columns, size_t outputs, int8_t *packed);

/* Replaces int8 weights by packed ones; returns whether it did. */
static int pack_value(Value *value) {
    if (value->kind != CONSTANT || value->type != INT8 || value->rank != 2) return 0;
    if (value->sizes[0] < 1 || value->sizes[1] < 1) return 0;
    size_t shape[2];
    SpamEncoderPackedShape((size_t)value->sizes[0], (size_t)value->sizes[1], shape);
    Value packed = {.type = UINT8, .rank = 2, .sizes = {(int64_t)shape[0], (int64_t)shape[1]},
                    .bytes = shape[0] * shape[1]};
    map_value(&packed);
    SpamEncoderPack((const int8_t *)value->data, (size_t)value->sizes[0], (size_t)value->sizes[1], (int8_t *)packed.data);
    *value = packed;
    return 1;
}

#endif
