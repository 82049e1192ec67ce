/* Gelu, x times the normal distribution function (Hendrycks and Gimpel 2016, "Gaussian Error Linear Units"). */

#ifndef SPAM_EDGE_GELU_H
#define SPAM_EDGE_GELU_H

#include "vectors.h"

enum { GELU_DEGREE = 5 };

/* Coefficients of polynomials, one for each of sixteen intervals of |x|, highest power first. */
typedef struct {
    float coefficients[GELU_DEGREE + 1][LANES];
} GeluTable;

void gelu_prepare(GeluTable *table);

/* Intervals are a third wide and have their middle at whole thirds; what lies beyond the last is below 1e-6. */
#define GELU_PER_UNIT 3.0f
#define GELU_END (15.49f / GELU_PER_UNIT)

/* Gelu(x) = max(x, 0) - |x| (1 - distribution(|x|)), of which the second is tabulated. Absolute error up to
 * 7e-7, most of it where the table ends. */
INLINED __m512 gelu_ps(const GeluTable *table, __m512 x) {
    const __m512 per_unit = _mm512_set1_ps(GELU_PER_UNIT), whole = _mm512_set1_ps(0x1.8p23f); /* has no fraction */
    const __m512 size = _mm512_range_ps(x, _mm512_set1_ps(GELU_END), 0xA); /* smaller absolute value, without sign */
    const __m512 middle = _mm512_fmadd_ps(size, per_unit, whole);
    const __m512i interval = _mm512_castps_si512(middle); /* in the lowest bits, which are those that count */
    const __m512 off = _mm512_fmsub_ps(size, per_unit, _mm512_sub_ps(middle, whole));
    __m512 tail = _mm512_permutexvar_ps(interval, _mm512_loadu_ps(table->coefficients[0]));
#pragma GCC unroll 5
    for (int i = 1; i <= GELU_DEGREE; i++)
        tail = _mm512_fmadd_ps(tail, off, _mm512_permutexvar_ps(interval, _mm512_loadu_ps(table->coefficients[i])));
    return _mm512_sub_ps(_mm512_max_ps(_mm512_setzero_ps(), x), tail); /* in this order, NaN stays NaN */
}

#endif
