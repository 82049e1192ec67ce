/* Reads tensors of onnxruntime, and checks type, shape and range before anything uses them.
 *
 * A model file can be malformed or malicious. The other C files trust all constants, so every check is made here or in
 * operator.c, when the kernel is created. */

#ifndef SPAM_EDGE_CONSTANTS_H
#define SPAM_EDGE_CONSTANTS_H

#include <stddef.h>
#include <stdint.h>

#include "onnxruntime.h"

#define ANY SIZE_MAX /* a size of at least 1 that the constant itself decides */

/* A tensor of at most two dimensions; a vector is one column. The data belong to onnxruntime, live as long as the
 * session, and need not be aligned. */
typedef struct {
    const void *data;
    size_t rows, columns;
} Tensor;

/* Reads the constants in order. Keeps the first error, after which all constants are empty. */
typedef struct {
    Api api;
    const KernelInfo *info;
    size_t next;   /* input */
    char part[32]; /* of the model, for messages */
    Status *status;
} Constants;

/* Returns a status with a message for the user. */
__attribute__((format(printf, 2, 3))) Status *fail(Api api, const char *format, ...);

/* Records an error in the constant `name` of the current part, unless there is one already. */
__attribute__((format(printf, 3, 4))) void refuse(Constants *constants, const char *name, const char *format, ...);

/* Reads a matrix of exactly this type. */
Status *read_matrix(Api api, const Value *value, int type, Tensor *tensor);

/* Return the next constant: exactly this type and shape, and finite if fp32. A vector of 0 is empty: its feature is not
 * used. */
Tensor take_vector(Constants *constants, const char *name, int type, size_t size);
Tensor take_matrix(Constants *constants, const char *name, int type, size_t rows, size_t columns);

/* The same for a vector that may be empty, of at most `most` values. */
Tensor take_optional(Constants *constants, const char *name, int type, size_t most);

/* Return the type of the next constant, and the first size of the one `ahead` places behind it; 0 if it is missing.
 * Neither is checked before the constant is taken. */
int type_of_next(Constants *constants);
size_t size_ahead(Constants *constants, size_t ahead);

/* Checks that all values of an int16 or int32 vector are indices below `end`. */
void check_indices(Constants *constants, const char *name, int type, Tensor indices, size_t end);

#endif
