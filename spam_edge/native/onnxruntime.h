/* The part of onnxruntime's C API that a custom operator needs, in place of onnxruntime_c_api.h.
 *
 * Why no header of onnxruntime. The build needs only pip, and the wheels of onnxruntime contain no headers. Nothing is
 * linked either: onnxruntime hands over its functions when it loads the library.
 *
 * How functions are found. onnxruntime calls RegisterCustomOps(options, base) of the library. base->get_api(version)
 * (OrtApiBase::GetApi) returns struct OrtApi of that version, which consists of function pointers only, or NULL if
 * onnxruntime does not have that version. CALL(api, slot) reads the pointer in a slot and casts it to the type slot_fn,
 * which must have the signature of onnxruntime_c_api.h:
 *
 *     Status *status = CALL(api, input)(context, 0, &value);
 *
 * Where slot numbers come from. A slot number is the position of a function among the members of struct OrtApi in
 * onnxruntime_c_api.h, from CreateStatus = 0. A released version of OrtApi never changes: later versions only append.
 * onnxruntime_c_api.cc marks where each version ends and asserts its last slot: 101 in version 1, 238 in version 14,
 * 254 in version 15. So a slot number holds for its version and all later ones. The compiler cannot check a slot or a
 * signature, only calls do: tests/project/test_onnxruntime_versions.py makes them with the oldest and the newest
 * onnxruntime.
 *
 * Why API_VERSION is 16. onnxruntime 1.N has API versions 1 to N. All slots below exist since version 15, but the
 * callbacks of OrtCustomOp that return a status (CreateKernelV2, KernelComputeV2) only since version 16. Asking for a
 * later version would refuse an onnxruntime that works. A slot of a later version needs that API_VERSION.
 *
 * If get_api(API_VERSION) is NULL, RegisterCustomOps refuses with a status that names both versions.
 *
 * Errors. A function returns NULL for success, or an OrtStatus that the caller owns. Here a status is always returned
 * to onnxruntime, which releases it. */

#ifndef SPAM_EDGE_ONNXRUNTIME_H
#define SPAM_EDGE_ONNXRUNTIME_H

#include <stddef.h>
#include <stdint.h>

enum {
    API_VERSION = 16,
    FIRST_API_VERSION = 1, /* has create_status, all that a refusal needs */
};

/* Opaque types: OrtStatus, OrtSessionOptions, OrtCustomOpDomain, OrtKernelInfo, OrtKernelContext, OrtValue,
 * OrtTensorTypeAndShapeInfo. */
typedef struct Status Status;
typedef struct SessionOptions SessionOptions;
typedef struct Domain Domain;
typedef struct KernelInfo KernelInfo;
typedef struct KernelContext KernelContext;
typedef struct Value Value;
typedef struct Shape Shape;
typedef const void *const *Api; /* OrtApi, as an array of function pointers */

/* OrtApiBase */
typedef struct {
    Api (*get_api)(uint32_t version);
    const char *(*get_version)(void);
} ApiBase;

enum { INVALID_ARGUMENT = 2, FAIL = 1 };      /* OrtErrorCode */
/* ONNXTensorElementDataType; UNDEFINED accepts any type */
enum { UNDEFINED = 0, FLOAT = 1, UINT8 = 2, INT8 = 3, INT16 = 5, INT32 = 6, INT64 = 7 };
enum { REQUIRED = 0, VARIADIC = 2 };          /* OrtCustomOpInputOutputCharacteristic */
enum { DEFAULT_MEMORY = 0 };                  /* OrtMemType */

/* Signature of each slot. Pointers to data belong to onnxruntime; a Shape must be released. */
typedef Status *(*create_status_fn)(int code, const char *message);
typedef Status *(*create_domain_fn)(const char *name, Domain **domain);
typedef Status *(*domain_add_fn)(Domain *domain, const void *operator_);
typedef Status *(*add_domain_fn)(SessionOptions *options, Domain *domain);
typedef Status *(*tensor_data_fn)(Value *value, void **data);
typedef Status *(*element_type_fn)(const Shape *shape, int *type);
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
typedef Status *(*input_count_fn)(const KernelInfo *info, size_t *count);
typedef Status *(*constant_input_fn)(const KernelInfo *info, size_t index, int *is_constant, const Value **value);

/* Slot of each function, with its name in OrtApi and the API version that added it, if that is not 1. */
enum {
    create_status = 0,     /* CreateStatus */
    create_domain = 26,    /* CreateCustomOpDomain */
    domain_add = 27,       /* CustomOpDomain_Add */
    add_domain = 28,       /* AddCustomOpDomain */
    tensor_data = 51,      /* GetTensorMutableData */
    element_type = 60,     /* GetTensorElementType */
    dimensions_count = 61, /* GetDimensionsCount */
    dimensions = 62,       /* GetDimensions */
    shape_of = 65,         /* GetTensorTypeAndShape */
    attribute_float = 85,  /* KernelInfoGetAttribute_float */
    attribute_int = 86,    /* KernelInfoGetAttribute_int64 */
    input = 90,            /* KernelContext_GetInput */
    output = 91,           /* KernelContext_GetOutput */
    release_shape = 99,    /* ReleaseTensorTypeAndShapeInfo */
    input_count = 230,     /* KernelInfo_GetInputCount, 14 */
    has_setting = 237,     /* HasSessionConfigEntry, 14 */
    setting = 238,         /* GetSessionConfigEntry, 14 */
    constant_input = 249,  /* KernelInfoGetConstantInput_tensor, 15 */
};

/* The function in a slot, with its type. */
#define CALL(api, function) ((function##_fn)(api)[function])

/* OrtCustomOp of API version 16: data and callbacks of an operator. `version` tells onnxruntime how many members there
 * are, so it must be API_VERSION. Members are in the order of onnxruntime_c_api.h. */
typedef struct Operator {
    uint32_t version;
    void *create_kernel; /* CreateKernel: NULL, because `create` is set */
    const char *(*name)(const struct Operator *);
    const char *(*provider)(const struct Operator *);
    int (*input_type)(const struct Operator *, size_t index);
    size_t (*input_type_count)(const struct Operator *);
    int (*output_type)(const struct Operator *, size_t index);
    size_t (*output_type_count)(const struct Operator *);
    void *kernel_compute; /* KernelCompute: NULL, because `compute` is set */
    void (*destroy)(void *kernel);
    int (*input_characteristic)(const struct Operator *, size_t index);
    int (*output_characteristic)(const struct Operator *, size_t index);
    int (*input_memory_type)(const struct Operator *, size_t index);
    int (*variadic_input_min_arity)(const struct Operator *);
    int (*variadic_input_homogeneity)(const struct Operator *);
    int (*variadic_output_min_arity)(const struct Operator *);
    int (*variadic_output_homogeneity)(const struct Operator *);
    /* CreateKernelV2 and KernelComputeV2 */
    Status *(*create)(const struct Operator *, Api api, const KernelInfo *info, void **kernel);
    Status *(*compute)(void *kernel, KernelContext *context);
} Operator;

#endif
