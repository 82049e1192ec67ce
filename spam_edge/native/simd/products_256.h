/* What the int8 GEMMs of 256 bits share.
 *
 * vectors.h specifies the functions without a comment. */

#ifndef SPAM_EDGE_PRODUCTS_256_H
#define SPAM_EDGE_PRODUCTS_256_H

#include "packing.h"

INLINED Integers v_load_steps(const Step *steps) {
    int32_t group;
    memcpy(&group, steps, sizeof group);
    return (Integers){_mm256_set1_epi32(group), _mm256_set1_epi32(group)};
}

#endif
