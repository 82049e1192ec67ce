/* Runs the fused operator on malformed models, with a stand-in for onnxruntime; see standin.h.
 *
 *     harness FILE FIRST
 *
 * FILE has the tensors of a sound model, then models that differ from it; tests/fuzz/models.py writes it. For each model
 * from number FIRST on, prints its number, then `done` and the logits, or `refused` and the message of the operator. A
 * fault ends the process, and a model that takes too long does too.
 *
 * Each model runs again with packed weights. Other logits are a fault. */

#define _GNU_SOURCE
#include "standin.h"

enum { SECONDS = 60 };

/* Prints the status, if there is one, and frees it. */
static int refused(int32_t number, Status *status) {
    if (status) printf("%" PRId32 "\trefused\t%s\n", number, status->message);
    free(status);
    return status != NULL;
}

/* Runs a model. Without a status, the result has the logits. */
static Status *logits_of(const KernelInfo *info, Value *result) {
    void *kernel = NULL;
    KernelContext context = {.inputs = info->inputs};
    Status *status = registered->create(registered, (Api)functions, info, &kernel);
    if (status) return status;
    status = registered->compute(kernel, &context);
    registered->destroy(kernel);
    *result = context.result;
    return status;
}

/* The same with packed weights. */
static Status *logits_of_packed(const KernelInfo *info, Value *result) {
    KernelInfo packed = *info;
    int *replaced = calloc(info->count, sizeof *replaced);
    packed.inputs = calloc(info->count, sizeof *packed.inputs);
    memcpy(packed.inputs, info->inputs, info->count * sizeof *packed.inputs);
    for (size_t layer = FIRST_WEIGHTS; layer < info->count; layer += OF_LAYER)
        for (size_t i = layer; i < info->count && i < layer + LINEARS * OF_LINEAR; i += OF_LINEAR)
            replaced[i] = pack_value(&packed.inputs[i]);
    Status *status = logits_of(&packed, result);
    for (size_t i = 0; i < info->count; i++)
        if (replaced[i]) unmap_value(&packed.inputs[i]);
    free(packed.inputs);
    free(replaced);
    return status;
}

static void run(int32_t number, const KernelInfo *info) {
    Value result = {0}, again = {0};
    Status *status = logits_of(info, &result), *other = logits_of_packed(info, &again);
    if (!status && (other || again.bytes != result.bytes || memcmp(again.data, result.data, result.bytes))) {
        fprintf(stderr, "runtime error: packed weights end otherwise: %s\n", other ? other->message : "other logits");
        abort();
    }
    free(other);
    if (!refused(number, status)) {
        printf("%" PRId32 "\tdone\t", number);
        for (size_t i = 0; i < result.bytes; i++) printf("%02x", (unsigned char)result.data[i]);
        printf("\n");
    }
    if (result.memory) unmap_value(&result);
    if (again.memory) unmap_value(&again);
}

/* Reads a model and replaces the inputs in which it differs, runs it, and puts the inputs back. */
static void run_next(FILE *file, const Value *sound, size_t sound_count, int32_t first) {
    int32_t number, count, replaced;
    KernelInfo info = {0};
    read_bytes(file, &number, sizeof number);
    read_bytes(file, &info.layers, sizeof info.layers);
    read_bytes(file, &info.heads, sizeof info.heads);
    read_bytes(file, &info.epsilon, sizeof info.epsilon);
    read_bytes(file, &count, sizeof count);
    read_bytes(file, &replaced, sizeof replaced);
    info.count = (size_t)count;
    info.inputs = calloc(info.count, sizeof *info.inputs);
    for (size_t i = 0; i < info.count; i++)
        info.inputs[i] = i < sound_count ? sound[i] : (Value){.kind = MISSING};
    for (int32_t i = 0; i < replaced; i++) {
        int32_t index;
        read_bytes(file, &index, sizeof index);
        info.inputs[index] = read_value(file);
    }
    if (number >= first) {
        alarm(SECONDS);
        printf("%" PRId32 "\tbegun\n", number);
        fflush(stdout);
        run(number, &info);
        fflush(stdout);
    }
    for (size_t i = 0; i < info.count; i++)
        if (info.inputs[i].memory && (i >= sound_count || info.inputs[i].memory != sound[i].memory))
            unmap_value(&info.inputs[i]);
    free(info.inputs);
}

int main(int count, char **arguments) {
    FILE *file = count == 3 ? fopen(arguments[1], "rb") : NULL;
    if (!file) return 2;
    const ApiBase base = {get_api, get_version};
    if (refused(-1, RegisterCustomOps(NULL, &base))) return 2;
    static Value sound[1024];
    const size_t tensors = read_sound(file, sound);
    for (;;) run_next(file, sound, tensors, atoi(arguments[2]));
}
