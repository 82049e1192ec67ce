/* Computes the coefficient table (GELU_DEGREE + 1, GELU_INTERVALS) of gelu.h. */

#include "gelu.h"
#include <math.h>

/* Taylor polynomials of t (1 - cdf(t)) around the centre of each interval, in units of the interval width. From the
 * second derivative on, derivatives are the normal density times a polynomial. */
void gelu_prepare(GeluTable *table) {
    const double width = 1 / GELU_PER_UNIT;
    for (int interval = 0; interval < GELU_INTERVALS; interval++) {
        const double t = interval * width, square = t * t;
        const double density = exp(-square / 2) / sqrt(2 * acos(-1)), above = erfc(t / sqrt(2)) / 2;
        const double taylor[] = {
            t * above,
            (above - t * density) * width,
            density * (square - 2) * pow(width, 2) / 2,
            density * t * (4 - square) * pow(width, 3) / 6,
            density * (square * square - 7 * square + 4) * pow(width, 4) / 24,
            density * t * (11 * square - square * square - 18) * pow(width, 5) / 120,
        };
        for (int n = 0; n <= GELU_DEGREE; n++) table->coefficients[GELU_DEGREE - n][interval] = (float)taylor[n];
    }
}
