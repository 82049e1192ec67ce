/* Packing of weights by blocks of four columns and 16 outputs, for the sets that have no wider way.
 *
 * Only SSE2, which every processor of the architecture has. */

#ifndef SPAM_EDGE_PACKING_H
#define SPAM_EDGE_PACKING_H

#include <string.h>

/* The weights of a column for outputs `first` to first + 15, 0 beyond columns and outputs. */
INLINED __m128i load_row(const Linear *linear, const int8_t *weights, size_t column, size_t first) {
    const size_t outputs = linear->outputs;
    __m128i values = _mm_setzero_si128();
    if (column >= linear->input.columns || first >= outputs) return values;
    const int8_t *row = weights + column * outputs + first;
    if (outputs - first >= LANES) return _mm_loadu_si128((const __m128i *)row);
    memcpy(&values, row, outputs - first);
    return values;
}

/* Packs the weights of four columns for 16 outputs as (16 outputs, 4 columns), to 64 aligned bytes. */
INLINED void pack_four_columns(const Linear *linear, const int8_t *weights, size_t column, size_t first,
                               int8_t *group) {
    __m128i rows[4], *to = (__m128i *)group;
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) rows[i] = load_row(linear, weights, column + i, first);
    const __m128i low = _mm_unpacklo_epi8(rows[0], rows[1]), other_low = _mm_unpacklo_epi8(rows[2], rows[3]);
    const __m128i high = _mm_unpackhi_epi8(rows[0], rows[1]), other_high = _mm_unpackhi_epi8(rows[2], rows[3]);
    _mm_store_si128(to, _mm_unpacklo_epi16(low, other_low));
    _mm_store_si128(to + 1, _mm_unpackhi_epi16(low, other_low));
    _mm_store_si128(to + 2, _mm_unpacklo_epi16(high, other_high));
    _mm_store_si128(to + 3, _mm_unpackhi_epi16(high, other_high));
}

#endif
