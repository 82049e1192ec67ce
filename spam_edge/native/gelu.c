#include "gelu.h"

#include <math.h>

/* The Taylor polynomial of the distribution function around the middle of each interval, in units of an interval and
 * from its start. Derivatives by Hermite polynomials: the n-th of the density is (-1)^n He_n(x) times the density. */
void gelu_prepare(GeluTable *table) {
    const double width = 1 / GELU_PER_UNIT;
    for (int interval = 0; interval < LANES; interval++) {
        const double middle = (interval + 0.5) * width;
        const double density = exp(-middle * middle / 2) / sqrt(2 * acos(-1));
        double hermite[GELU_DEGREE] = {1, middle}, taylor[GELU_DEGREE + 1] = {0.5 * (1 + erf(middle / sqrt(2)))};
        for (int n = 2; n < GELU_DEGREE; n++) hermite[n] = middle * hermite[n - 1] - (n - 1) * hermite[n - 2];
        double scale = 1;
        for (int n = 1; n <= GELU_DEGREE; n++) {
            scale *= width / n;
            taylor[n] = (n % 2 ? 1 : -1) * hermite[n - 1] * density * scale;
        }
        /* from powers of (t - 1/2) to powers of t: Horner's method, one coefficient further each time */
        for (int end = 0; end < GELU_DEGREE; end++)
            for (int n = GELU_DEGREE - 1; n >= end; n--) taylor[n] -= taylor[n + 1] / 2;
        for (int n = 0; n <= GELU_DEGREE; n++) table->coefficients[GELU_DEGREE - n][interval] = (float)taylor[n];
    }
}
