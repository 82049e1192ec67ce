/* AVX-512 (F, BW, DQ, VL) without products: a vector of 16 floats is one 512-bit register. For sets of 512 bits, which
 * define VECTORISED before they include this.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_512_H
#define SPAM_EDGE_VECTORS_512_H

#define INLINED static inline __attribute__((always_inline)) VECTORISED

enum { LANES = 16 };
enum { ABREAST = 4 }; /* attention: 16 sums + 4 of keys + query = 21 of 32 registers */
typedef __m512 Floats;
typedef __m512i Integers;
typedef __mmask16 Lanes;

INLINED Lanes lanes(size_t from, size_t to) {
    if (from >= to) return 0;
    return to - from >= LANES ? (Lanes)0xFFFF : (Lanes)((1u << (to - from)) - 1);
}

INLINED Floats v_all(float x) { return _mm512_set1_ps(x); }
INLINED Floats v_zero(void) { return _mm512_setzero_ps(); }
INLINED Floats v_load(const float *from) { return _mm512_loadu_ps(from); }
INLINED Floats v_load_aligned(const float *from) { return _mm512_load_ps(from); }
INLINED Floats v_load_some(Lanes some, const float *from) { return _mm512_maskz_loadu_ps(some, from); }
INLINED void v_store(float *to, Floats x) { _mm512_storeu_ps(to, x); }
INLINED void v_store_aligned(float *to, Floats x) { _mm512_store_ps(to, x); }
INLINED void v_store_some(float *to, Lanes some, Floats x) { _mm512_mask_storeu_ps(to, some, x); }
INLINED Floats v_gather(Lanes some, const float *from, const int32_t *places) {
    const __m512i at = _mm512_maskz_loadu_epi32(some, places);
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), some, at, from, 4);
}
INLINED Integers v_load_integers(const int32_t *from) { return _mm512_loadu_si512(from); }
INLINED Floats v_floats(Integers x) { return _mm512_cvtepi32_ps(x); }
INLINED Floats v_load_bytes(Lanes some, const int8_t *from) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(some, from)));
}

INLINED Floats v_add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
INLINED Floats v_subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
INLINED Floats v_multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
INLINED Floats v_multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
INLINED Floats v_multiply_subtract(Floats a, Floats b, Floats c) { return _mm512_fmsub_ps(a, b, c); }
INLINED Floats v_subtract_product(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
INLINED Floats v_larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
INLINED Floats v_smaller(Floats a, Floats b) { return _mm512_min_ps(a, b); }
INLINED Floats v_absolute(Floats x) { return _mm512_abs_ps(x); }
/* VRANGEPS 0xA: the smaller absolute value, sign cleared. */
INLINED Floats v_absolute_at_most(Floats x, float most) { return _mm512_range_ps(x, _mm512_set1_ps(most), 0xA); }
INLINED Floats v_round(Floats x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
INLINED Floats v_times_power_of_two(Floats x, Floats n) { return _mm512_scalef_ps(x, n); }
/* The intrinsic adds by halves, as vectors.h asks for. */
INLINED float v_sum(Floats x) { return _mm512_reduce_add_ps(x); }
INLINED float v_largest(Floats x) { return _mm512_reduce_max_ps(x); }
INLINED Floats v_keep(Lanes some, Floats x) { return _mm512_maskz_mov_ps(some, x); }
INLINED Floats v_subtract_some(Lanes some, Floats a, Floats b) { return _mm512_maskz_sub_ps(some, a, b); }
INLINED Floats v_larger_some(Lanes some, Floats a, Floats b) { return _mm512_mask_max_ps(a, some, a, b); }
INLINED Floats v_look_up(const float table[16], Floats places) {
    return _mm512_permutexvar_ps(_mm512_castps_si512(places), _mm512_loadu_ps(table));
}

INLINED void v_transpose(const float *from, size_t stride, size_t rows, size_t columns, float *to, size_t width) {
    const __mmask16 mask = lanes(0, columns);
    __m512 a[LANES], b[LANES];
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        a[i] = i < rows ? _mm512_maskz_loadu_ps(mask, from + i * stride) : _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int i = 0; i < LANES; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < LANES; i += 4) /* then 128-bit lane l of a[i + c] has column 4 l + c of four rows */
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            const __m512d low = _mm512_castps_pd(b[i + half]), high = _mm512_castps_pd(b[i + 2 + half]);
            a[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            a[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        const __m512 even_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88),
                     even_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xDD),
                     odd_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xDD);
        b[c] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        b[4 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        b[8 + c] = _mm512_shuffle_f32x4(even_low, even_high, 0xDD);
        b[12 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xDD);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        if (i < columns) _mm512_store_ps(to + i * width, b[i]);
}

/* q in a byte, for u8 x s8 products. */
typedef uint8_t Step;

/* Mask of the bytes from `from` to `to` - 1, at most 64; all if `whole`, a constant after inlining. */
INLINED __mmask64 v_bytes(int whole, size_t from, size_t to) {
    return whole || to - from >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << (to - from)) - 1;
}

/* Packing works within 128-bit lanes, so a permutation restores the order. */
INLINED void v_store_steps(int whole, Step *to, size_t from, size_t end, const Floats steps[4], int zero) {
    /* Shifted to a zero point of 128, the range of uint8 is -128 to 127, where packing saturates. */
    const __m512i shift = _mm512_set1_epi16((short)(zero - 128));
    const __m512i low = _mm512_packs_epi32(_mm512_cvtps_epi32(steps[0]), _mm512_cvtps_epi32(steps[1]));
    const __m512i high = _mm512_packs_epi32(_mm512_cvtps_epi32(steps[2]), _mm512_cvtps_epi32(steps[3]));
    /* The shift saturates, too, or NaN and large values, which are -32768 here, would wrap to the largest byte. */
    const __m512i bytes = _mm512_packs_epi16(_mm512_adds_epi16(low, shift), _mm512_adds_epi16(high, shift));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i sorted = _mm512_permutexvar_epi32(order, bytes);
    const __m512i unsigned_bytes = _mm512_xor_si512(sorted, _mm512_set1_epi8((char)128));
    _mm512_mask_storeu_epi8(to + from, v_bytes(whole, from, end), unsigned_bytes);
}

#endif
