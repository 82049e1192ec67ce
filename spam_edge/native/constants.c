/* Checks of type, shape and range; see constants.h. */

#include "constants.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE = 256, SIZES = 64 }; /* bytes */

/* What is expected of a tensor. */
typedef struct {
    int type;
    size_t rank, rows, columns;
    int optional; /* `rows` is the maximum, and 0 is allowed */
} Expected;

/* Type and shape of a tensor, as onnxruntime has them. */
typedef struct {
    int type;
    size_t rank;
    int64_t sizes[2]; /* 1 beyond the rank; unknown if the rank is above 2 */
} Found;

static Status *fail_with(Api api, const char *before, const char *format, va_list arguments) {
    char message[MESSAGE];
    const int length = snprintf(message, sizeof message, "SpamEncoder: %s", before);
    vsnprintf(message + length, sizeof message - (size_t)length, format, arguments);
    return CALL(api, create_status)(INVALID_ARGUMENT, message);
}

Status *fail(Api api, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    Status *status = fail_with(api, "", format, arguments);
    va_end(arguments);
    return status;
}

void refuse(Constants *constants, const char *name, const char *format, ...) {
    if (constants->status) return;
    char where[SIZES + sizeof constants->part];
    snprintf(where, sizeof where, "constant %.31s %.31s ", constants->part, name);
    va_list arguments;
    va_start(arguments, format);
    constants->status = fail_with(constants->api, where, format, arguments);
    va_end(arguments);
}

static const char *name_of(int type) {
    switch (type) {
        case FLOAT: return "fp32";
        case UINT8: return "uint8";
        case INT8: return "int8";
        case INT16: return "int16";
        case INT32: return "int32";
        case INT64: return "int64";
        default: return "another type";
    }
}

static Status *find(Api api, const Value *value, Found *found) {
    Shape *shape = NULL;
    *found = (Found){UNDEFINED, 0, {1, 1}};
    Status *status = CALL(api, shape_of)(value, &shape);
    if (status) return status;
    status = CALL(api, element_type)(shape, &found->type);
    if (!status) status = CALL(api, dimensions_count)(shape, &found->rank);
    if (!status && found->rank <= 2) status = CALL(api, dimensions)(shape, found->sizes, found->rank);
    CALL(api, release_shape)(shape);
    return status;
}

static int fits_size(int64_t found, size_t expected) {
    return found >= 0 && (expected == ANY ? found > 0 : (uint64_t)found == expected);
}

static int fits(const Found *found, const Expected *expected) {
    if (found->type != expected->type || found->rank < 1 || found->rank > 2) return 0;
    if (expected->rank == 2)
        return found->rank == 2 && fits_size(found->sizes[0], expected->rows) &&
               fits_size(found->sizes[1], expected->columns);
    if (found->sizes[1] != 1) return 0;
    if (expected->optional) return found->sizes[0] >= 0 && (uint64_t)found->sizes[0] <= expected->rows;
    return fits_size(found->sizes[0], expected->rows);
}

/* Writes a size; n for one that the constant decides. */
static void print_size(char text[24], size_t size) {
    if (size == ANY)
        snprintf(text, 24, "n");
    else
        snprintf(text, 24, "%zu", size);
}

static void print_expected(char text[SIZES], const Expected *expected) {
    char rows[24], columns[24];
    print_size(rows, expected->rows);
    print_size(columns, expected->columns);
    if (expected->rank == 2)
        snprintf(text, SIZES, "(%s, %s)", rows, columns);
    else
        snprintf(text, SIZES, "(%s%s)", expected->optional && expected->rows ? "0 to " : "", rows);
}

static void print_found(char text[SIZES], const Found *found) {
    const long long rows = found->sizes[0], columns = found->sizes[1];
    switch (found->rank) {
        case 1: snprintf(text, SIZES, "(%lld)", rows); break;
        case 2: snprintf(text, SIZES, "(%lld, %lld)", rows, columns); break;
        default: snprintf(text, SIZES, "of %zu dimensions", found->rank);
    }
}

/* Returns whether all floats are finite. Without a branch, so that the compiler uses vectors. */
static int all_finite(const void *data, size_t count) {
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, (const char *)data + i * sizeof bits, sizeof bits);
        found |= (bits & 0x7F800000) == 0x7F800000;
    }
    return !found;
}

Status *read_matrix(Api api, const Value *value, int type, Tensor *tensor) {
    Found found;
    void *data = NULL;
    if (!value) return fail(api, "an input is missing");
    Status *status = find(api, value, &found);
    if (status) return status;
    if (found.type != type || found.rank != 2 || found.sizes[0] < 0 || found.sizes[1] < 0)
        return fail(api, "ids and mask must be %s matrices", name_of(type));
    status = CALL(api, tensor_data)((Value *)value, &data);
    *tensor = (Tensor){data, (size_t)found.sizes[0], (size_t)found.sizes[1]};
    return status;
}

/* Returns the input `ahead` places behind the next, NULL if it is not constant or after an error. */
static const Value *look_ahead(Constants *constants, size_t ahead) {
    const Value *value = NULL;
    int is_constant = 0;
    if (constants->status) return NULL;
    constants->status =
        CALL(constants->api, constant_input)(constants->info, constants->next + ahead, &is_constant, &value);
    return !constants->status && is_constant ? value : NULL;
}

static Found find_ahead(Constants *constants, size_t ahead) {
    Found found = {UNDEFINED, 0, {0, 0}};
    const Value *value = look_ahead(constants, ahead);
    if (value) constants->status = find(constants->api, value, &found);
    return found;
}

int type_of_next(Constants *constants) { return find_ahead(constants, 0).type; }

size_t size_ahead(Constants *constants, size_t ahead) {
    const int64_t size = find_ahead(constants, ahead).sizes[0];
    return size < 0 ? 0 : (size_t)size;
}

/* Returns the next input, NULL after an error. */
static const Value *next_constant(Constants *constants, const char *name) {
    const Value *value = look_ahead(constants, 0);
    constants->next++;
    if (!value) refuse(constants, name, "is missing or not constant");
    return value;
}

static Tensor take(Constants *constants, const char *name, const Expected *expected) {
    const Tensor none = {NULL, 0, 0};
    Found found;
    void *data = NULL;
    const Value *value = next_constant(constants, name);
    if (value) constants->status = find(constants->api, value, &found);
    if (constants->status) return none;
    if (!fits(&found, expected)) {
        char right[SIZES], wrong[SIZES];
        print_expected(right, expected);
        print_found(wrong, &found);
        refuse(constants, name, "must be %s %s, not %s %s", name_of(expected->type), right, name_of(found.type), wrong);
        return none;
    }
    /* GetTensorMutableData is the only accessor; constants are only read */
    constants->status = CALL(constants->api, tensor_data)((Value *)value, &data);
    const Tensor tensor = {data, (size_t)found.sizes[0], (size_t)found.sizes[1]};
    if (!constants->status && found.type == FLOAT && !all_finite(data, tensor.rows * tensor.columns))
        refuse(constants, name, "must have finite numbers only");
    return constants->status ? none : tensor;
}

Tensor take_vector(Constants *constants, const char *name, int type, size_t size) {
    return take(constants, name, &(Expected){type, 1, size, 1, 0});
}

Tensor take_matrix(Constants *constants, const char *name, int type, size_t rows, size_t columns) {
    return take(constants, name, &(Expected){type, 2, rows, columns, 0});
}

Tensor take_optional(Constants *constants, const char *name, int type, size_t most) {
    return take(constants, name, &(Expected){type, 1, most, 1, 1});
}

void check_indices(Constants *constants, const char *name, int type, Tensor indices, size_t end) {
    for (size_t i = 0; i < indices.rows && !constants->status; i++) {
        int16_t narrow;
        int32_t index;
        if (type == INT16) {
            memcpy(&narrow, (const char *)indices.data + i * sizeof narrow, sizeof narrow);
            index = narrow;
        } else {
            memcpy(&index, (const char *)indices.data + i * sizeof index, sizeof index);
        }
        if (index < 0 || (size_t)index >= end)
            refuse(constants, name, "must have indices from 0 to %zu, not %d", end - 1, (int)index);
    }
}
