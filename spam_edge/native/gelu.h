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

/* Intervals are a third wide: from 16 / 3 on, the distribution function is 1 but for 5e-8. */
#define GELU_PER_UNIT 3.0f

/* Absolute error below 1e-7, or 1e-7 times x where that is larger. */
INLINED __m512 gelu_ps(const GeluTable *table, __m512 x) {
    const __m512 place = _mm512_min_ps(_mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(GELU_PER_UNIT)),
                                       _mm512_set1_ps((float)LANES - 0.001f));
    const __m512i interval = _mm512_cvttps_epi32(place);
    const __m512 off = _mm512_sub_ps(place, _mm512_cvtepi32_ps(interval));
    __m512 below = _mm512_permutexvar_ps(interval, _mm512_loadu_ps(table->coefficients[0]));
#pragma GCC unroll 5
    for (int i = 1; i <= GELU_DEGREE; i++)
        below = _mm512_fmadd_ps(below, off, _mm512_permutexvar_ps(interval, _mm512_loadu_ps(table->coefficients[i])));
    /* for negative x, what lies above |x| */
    below = _mm512_mask_sub_ps(below, _mm512_movepi32_mask(_mm512_castps_si512(x)), _mm512_set1_ps(1.0f), below);
    return _mm512_mul_ps(x, below);
}

#endif
