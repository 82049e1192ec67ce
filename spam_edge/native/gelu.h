/* GELU of 16 floats: gelu(x) = x cdf(x), with the cdf of the standard normal distribution (Hendrycks and Gimpel 2016,
 * "Gaussian Error Linear Units").
 *
 * gelu(x) = max(x, 0) - tail(|x|), where tail(t) = t (1 - cdf(t)) is approximated by a polynomial of degree 5 on each
 * of 16 intervals. */

#ifndef SPAM_EDGE_GELU_H
#define SPAM_EDGE_GELU_H

#include "simd/vectors.h"

enum { GELU_DEGREE = 5, GELU_INTERVALS = 16 };

/* Coefficients by power, highest first, and by interval of |x|: one table look-up per power. */
typedef struct {
    float coefficients[GELU_DEGREE + 1][GELU_INTERVALS];
} GeluTable;

void gelu_prepare(GeluTable *table);

/* Intervals are 1/3 wide and centred at multiples of 1/3. |x| is clamped to the end of the last, where the tail is
 * below 1e-6. */
#define GELU_PER_UNIT 3.0f
#define GELU_END (15.49f / GELU_PER_UNIT)

/* Returns gelu(x) by lane. Absolute error up to 7e-7, largest at the end of the table. NaN gives NaN. */
INLINED Floats gelu_of(const GeluTable *table, Floats x) {
    const Floats per_unit = v_all(GELU_PER_UNIT), whole = v_all(0x1.8p23f); /* adding it rounds to an integer */
    const Floats size = v_absolute_at_most(x, GELU_END);
    const Floats interval = v_multiply_add(size, per_unit, whole); /* index in the lowest mantissa bits */
    const Floats off = v_multiply_subtract(size, per_unit, v_subtract(interval, whole));
    Floats tail = v_look_up(table->coefficients[0], interval);
#pragma GCC unroll 5
    for (int i = 1; i <= GELU_DEGREE; i++)
        tail = v_multiply_add(tail, off, v_look_up(table->coefficients[i], interval));
    return v_subtract(v_larger(v_zero(), x), tail); /* operand order keeps NaN */
}

#endif
