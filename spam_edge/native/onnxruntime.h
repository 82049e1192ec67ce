/* The few parts of onnxruntime's C interface that an operator needs.
 *
 * Its functions lie in a table that only ever grows at the end (the promise of OrtApi in onnxruntime_c_api.h), so that
 * a function is known by its place. Version 16 of the table, the oldest with operators that report errors, came with
 * onnxruntime 1.16. */

#ifndef SPAM_EDGE_ONNXRUNTIME_H
#define SPAM_EDGE_ONNXRUNTIME_H

#include <stddef.h>
#include <stdint.h>

enum { API_VERSION = 16 };

typedef struct Status Status;
typedef struct SessionOptions SessionOptions;
typedef struct Domain Domain;
typedef struct KernelInfo KernelInfo;
typedef struct KernelContext KernelContext;
typedef struct Value Value;
typedef struct Shape Shape;
typedef const void *const *Api; /* pointers to functions */

typedef struct {
    Api (*get_api)(uint32_t version);
    const char *(*get_version)(void);
} ApiBase;

enum { INVALID_ARGUMENT = 2, FAIL = 1 };
enum { UNDEFINED = 0, FLOAT = 1, INT64 = 7 };
enum { REQUIRED = 0, VARIADIC = 2 };
enum { DEFAULT_MEMORY = 0 };

/* Each is called as CALL(api, create_status)(code, message): a status of NULL is success. */
typedef Status *(*create_status_fn)(int code, const char *message);
typedef Status *(*create_domain_fn)(const char *name, Domain **domain);
typedef Status *(*domain_add_fn)(Domain *domain, const void *operator_);
typedef Status *(*add_domain_fn)(SessionOptions *options, Domain *domain);
typedef Status *(*tensor_data_fn)(Value *value, void **data);
typedef Status *(*dimensions_count_fn)(const Shape *shape, size_t *count);
typedef Status *(*dimensions_fn)(const Shape *shape, int64_t *dimensions, size_t count);
typedef Status *(*shape_of_fn)(const Value *value, Shape **shape);
typedef Status *(*attribute_float_fn)(const KernelInfo *info, const char *name, float *value);
typedef Status *(*attribute_int_fn)(const KernelInfo *info, const char *name, int64_t *value);
typedef Status *(*input_fn)(const KernelContext *context, size_t index, const Value **value);
typedef Status *(*output_fn)(KernelContext *context, size_t index, const int64_t *dimensions, size_t count,
                             Value **value);
typedef void (*release_shape_fn)(Shape *shape);
typedef Status *(*has_setting_fn)(const SessionOptions *options, const char *name, int *has);
typedef Status *(*setting_fn)(const SessionOptions *options, const char *name, char *value, size_t *size);
typedef Status *(*constant_input_fn)(const KernelInfo *info, size_t index, int *is_constant, const Value **value);

enum {
    create_status = 0,
    create_domain = 26,
    domain_add = 27,
    add_domain = 28,
    tensor_data = 51,
    dimensions_count = 61,
    dimensions = 62,
    shape_of = 65,
    attribute_float = 85,
    attribute_int = 86,
    input = 90,
    output = 91,
    release_shape = 99,
    has_setting = 237,
    setting = 238,
    constant_input = 249,
};

#define CALL(api, function) ((function##_fn)(api)[function])

/* OrtCustomOp of version 16. */
typedef struct Operator {
    uint32_t version;
    void *create_kernel; /* of older versions: see create */
    const char *(*name)(const struct Operator *);
    const char *(*provider)(const struct Operator *);
    int (*input_type)(const struct Operator *, size_t index);
    size_t (*input_type_count)(const struct Operator *);
    int (*output_type)(const struct Operator *, size_t index);
    size_t (*output_type_count)(const struct Operator *);
    void *kernel_compute; /* of older versions: see compute */
    void (*destroy)(void *kernel);
    int (*input_characteristic)(const struct Operator *, size_t index);
    int (*output_characteristic)(const struct Operator *, size_t index);
    int (*input_memory_type)(const struct Operator *, size_t index);
    int (*variadic_input_min_arity)(const struct Operator *);
    int (*variadic_input_homogeneity)(const struct Operator *);
    int (*variadic_output_min_arity)(const struct Operator *);
    int (*variadic_output_homogeneity)(const struct Operator *);
    Status *(*create)(const struct Operator *, Api api, const KernelInfo *info, void **kernel);
    Status *(*compute)(void *kernel, KernelContext *context);
} Operator;

#endif
