/* Gelu, x times the normal distribution function (Hendrycks and Gimpel 2016, "Gaussian Error Linear Units"). */

#ifndef SPAM_EDGE_GELU_H
#define SPAM_EDGE_GELU_H

#include "vectors.h"

enum { GELU_DEGREE = 5, GELU_INTERVALS = 16 };

/* Coefficients of polynomials, one for each of sixteen intervals of |x|, highest power first. */
typedef struct {
    float coefficients[GELU_DEGREE + 1][GELU_INTERVALS];
} GeluTable;

void gelu_prepare(GeluTable *table);

/* Intervals are a third wide and have their middle at whole thirds; what lies beyond the last is below 1e-6. */
#define GELU_PER_UNIT 3.0f
#define GELU_END (15.49f / GELU_PER_UNIT)

/* Gelu(x) = max(x, 0) - |x| (1 - distribution(|x|)), of which the second is tabulated. Absolute error up to
 * 7e-7, most of it where the table ends. */
INLINED Floats gelu_of(const GeluTable *table, Floats x) {
    const Floats per_unit = v_all(GELU_PER_UNIT), whole = v_all(0x1.8p23f); /* has no fraction */
    const Floats size = v_absolute_at_most(x, GELU_END);
    const Floats interval = v_multiply_add(size, per_unit, whole); /* in the lowest bits, which are those that count */
    const Floats off = v_multiply_subtract(size, per_unit, v_subtract(interval, whole));
    Floats tail = v_look_up(table->coefficients[0], interval);
#pragma GCC unroll 5
    for (int i = 1; i <= GELU_DEGREE; i++)
        tail = v_multiply_add(tail, off, v_look_up(table->coefficients[i], interval));
    return v_subtract(v_larger(v_zero(), x), tail); /* in this order, NaN stays NaN */
}

#endif
