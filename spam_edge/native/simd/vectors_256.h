/* AVX2 with FMA, without quantisation: a vector of 16 floats is a pair of 256-bit registers, lanes 0 to 7 and 8 to 15.
 * For sets of 256 bits, which define VECTORISED before they include this.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_256_H
#define SPAM_EDGE_VECTORS_256_H

#include <string.h>

#define INLINED static inline __attribute__((always_inline)) VECTORISED

enum { HALF = 8, LANES = 2 * HALF };
enum { ABREAST = 1 }; /* attention: (4 sums + 1 of keys) x 2 + query = 11 of 16 registers */

typedef struct {
    __m256 low, high;
} Floats;
typedef struct {
    __m256i low, high;
} Integers;

/* The first `count` lanes. A constant count folds the branches below. */
typedef struct {
    size_t count;
} Lanes;

INLINED Lanes lanes(size_t from, size_t to) {
    return (Lanes){from >= to ? 0 : to - from >= LANES ? LANES : to - from};
}

/* Mask of the eight lanes from `first` on. */
INLINED __m256i v_mask(Lanes some, int first) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)some.count - first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINED __m256 v_mask_of_floats(Lanes some, int first) { return _mm256_castsi256_ps(v_mask(some, first)); }

/* Applies an instruction to both registers of a pair. */
#define BOTH_1(instruction, a) ((Floats){instruction((a).low), instruction((a).high)})
#define BOTH_2(instruction, a, b) ((Floats){instruction((a).low, (b).low), instruction((a).high, (b).high)})
#define BOTH_3(instruction, a, b, c) \
    ((Floats){instruction((a).low, (b).low, (c).low), instruction((a).high, (b).high, (c).high)})

INLINED Floats v_all(float x) { return (Floats){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
INLINED Floats v_zero(void) { return (Floats){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
INLINED Floats v_load(const float *from) { return (Floats){_mm256_loadu_ps(from), _mm256_loadu_ps(from + HALF)}; }
INLINED Floats v_load_aligned(const float *from) { return (Floats){_mm256_load_ps(from), _mm256_load_ps(from + HALF)}; }
INLINED Floats v_load_some(Lanes some, const float *from) {
    if (some.count == LANES) return v_load(from);
    return (Floats){_mm256_maskload_ps(from, v_mask(some, 0)), _mm256_maskload_ps(from + HALF, v_mask(some, HALF))};
}
INLINED void v_store(float *to, Floats x) {
    _mm256_storeu_ps(to, x.low);
    _mm256_storeu_ps(to + HALF, x.high);
}
INLINED void v_store_aligned(float *to, Floats x) {
    _mm256_store_ps(to, x.low);
    _mm256_store_ps(to + HALF, x.high);
}
INLINED void v_store_some(float *to, Lanes some, Floats x) {
    if (some.count == LANES) {
        v_store(to, x);
        return;
    }
    _mm256_maskstore_ps(to, v_mask(some, 0), x.low);
    _mm256_maskstore_ps(to + HALF, v_mask(some, HALF), x.high);
}
/* Scalar loads: VGATHERDPS is no faster on many processors, and QEMU 7.2 emulates it incorrectly. */
INLINED Floats v_gather(Lanes some, const float *from, const int32_t *places) {
    float found[LANES] = {0};
    for (size_t i = 0; i < some.count; i++) {
        int32_t place; /* memcpy: no pointer needs to be aligned */
        memcpy(&place, (const char *)places + i * sizeof place, sizeof place);
        memcpy(&found[i], (const char *)from + (size_t)place * sizeof *from, sizeof *from);
    }
    return v_load(found);
}
INLINED Integers v_load_integers(const int32_t *from) {
    const __m256i *at = (const __m256i *)from;
    return (Integers){_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
INLINED Floats v_floats(Integers x) { return (Floats){_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }
INLINED Floats v_load_bytes(Lanes some, const int8_t *from) {
    __m128i bytes = _mm_setzero_si128();
    if (some.count == LANES)
        bytes = _mm_loadu_si128((const __m128i *)from);
    else
        memcpy(&bytes, from, some.count);
    return (Floats){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes)))};
}

INLINED Floats v_add(Floats a, Floats b) { return BOTH_2(_mm256_add_ps, a, b); }
INLINED Floats v_subtract(Floats a, Floats b) { return BOTH_2(_mm256_sub_ps, a, b); }
INLINED Floats v_multiply(Floats a, Floats b) { return BOTH_2(_mm256_mul_ps, a, b); }
INLINED Floats v_multiply_add(Floats a, Floats b, Floats c) { return BOTH_3(_mm256_fmadd_ps, a, b, c); }
INLINED Floats v_multiply_subtract(Floats a, Floats b, Floats c) { return BOTH_3(_mm256_fmsub_ps, a, b, c); }
INLINED Floats v_subtract_product(Floats a, Floats b, Floats c) { return BOTH_3(_mm256_fnmadd_ps, a, b, c); }
INLINED Floats v_larger(Floats a, Floats b) { return BOTH_2(_mm256_max_ps, a, b); }
INLINED Floats v_smaller(Floats a, Floats b) { return BOTH_2(_mm256_min_ps, a, b); }
INLINED Floats v_absolute(Floats x) { return BOTH_2(_mm256_andnot_ps, v_all(-0.0f), x); }
INLINED Floats v_absolute_at_most(Floats x, float most) { return v_smaller(v_absolute(x), v_all(most)); }
INLINED __m256 v_round_half(__m256 x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINED Floats v_round(Floats x) { return BOTH_1(v_round_half, x); }
/* 2^n, from the exponent bits. */
INLINED __m256 v_power_of_two(__m256 n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
INLINED Floats v_times_power_of_two(Floats x, Floats n) { return v_multiply(x, BOTH_1(v_power_of_two, n)); }
INLINED float v_sum(Floats x) {
    const __m256 eight = _mm256_add_ps(x.low, x.high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
INLINED float v_largest(Floats x) {
    const __m256 eight = _mm256_max_ps(x.low, x.high);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}
INLINED Floats v_keep(Lanes some, Floats x) {
    if (some.count == LANES) return x;
    return (Floats){_mm256_and_ps(v_mask_of_floats(some, 0), x.low),
                    _mm256_and_ps(v_mask_of_floats(some, HALF), x.high)};
}
INLINED Floats v_subtract_some(Lanes some, Floats a, Floats b) { return v_keep(some, v_subtract(a, b)); }
INLINED Floats v_larger_some(Lanes some, Floats a, Floats b) {
    const Floats larger = v_larger(a, b);
    if (some.count == LANES) return larger;
    return (Floats){_mm256_blendv_ps(a.low, larger.low, v_mask_of_floats(some, 0)),
                    _mm256_blendv_ps(a.high, larger.high, v_mask_of_floats(some, HALF))};
}
/* Bits 0 to 2 select within both halves of the table; bit 3, moved to the sign, selects the half. */
INLINED __m256 v_look_up_half(__m256 first, __m256 second, __m256 places) {
    const __m256i at = _mm256_castps_si256(places);
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(first, at), _mm256_permutevar8x32_ps(second, at),
                            _mm256_castsi256_ps(_mm256_slli_epi32(at, 28)));
}
INLINED Floats v_look_up(const float table[16], Floats places) {
    const Floats of = v_load(table);
    return (Floats){v_look_up_half(of.low, of.high, places.low), v_look_up_half(of.low, of.high, places.high)};
}

/* v_transpose() for a block of 8 x 8. */
INLINED void v_transpose_half(const float *from, size_t stride, size_t rows, size_t columns, float *to, size_t width) {
    const __m256i some = v_mask(lanes(0, columns), 0);
    __m256 a[HALF], b[HALF];
#pragma GCC unroll 8
    for (size_t i = 0; i < HALF; i++)
        a[i] = i < rows ? _mm256_maskload_ps(from + i * stride, some) : _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int i = 0; i < HALF; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < HALF; i += 4) /* then 128-bit lane l of a[i + c] has column 4 l + c of four rows */
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            const __m256d low = _mm256_castps_pd(b[i + half]), high = _mm256_castps_pd(b[i + 2 + half]);
            a[i + 2 * half] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
            a[i + 2 * half + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
        }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        b[c] = _mm256_permute2f128_ps(a[c], a[4 + c], 0x20);
        b[4 + c] = _mm256_permute2f128_ps(a[c], a[4 + c], 0x31);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < HALF; i++)
        if (i < columns) _mm256_store_ps(to + i * width, b[i]);
}

INLINED void v_transpose(const float *from, size_t stride, size_t rows, size_t columns, float *to, size_t width) {
    for (size_t row = 0; row < LANES; row += HALF)
        for (size_t column = 0; column < LANES && column < columns; column += HALF)
            v_transpose_half(from + row * stride + column, stride, rows > row ? rows - row : 0, columns - column,
                             to + column * width + row, width);
}

#endif
