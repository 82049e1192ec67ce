/* What the int8 GEMMs of 256 bits share.
 *
 * vectors.h specifies the functions without a comment. */

#ifndef SPAM_EDGE_PRODUCTS_256_H
#define SPAM_EDGE_PRODUCTS_256_H

typedef struct {
    __m256i low, high;
} Integers;

INLINED Floats v_floats(Integers x) { return (Floats){_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }

INLINED Integers v_load_integers(const int32_t *from) {
    const __m256i *at = (const __m256i *)from;
    return (Integers){_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}

/* The weights of a column for the outputs of the panel that begins at `first`, 0 beyond columns and outputs. */
INLINED __m128i load_panel_row(const Linear *linear, const int8_t *weights, size_t column, size_t first) {
    const size_t outputs = linear->outputs;
    __m128i values = _mm_setzero_si128();
    if (column >= linear->input.columns) return values;
    const int8_t *row = weights + column * outputs + first;
    if (outputs - first >= PANEL) return _mm_loadu_si128((const __m128i *)row);
    memcpy(&values, row, outputs - first);
    return values;
}

INLINED Integers v_load_steps(const Step *steps) {
    int32_t group;
    memcpy(&group, steps, sizeof group);
    return (Integers){_mm256_set1_epi32(group), _mm256_set1_epi32(group)};
}

#endif
