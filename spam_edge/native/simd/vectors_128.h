/* NEON, without quantisation: a vector of 16 floats is four 128-bit registers, lanes 4 q to 4 q + 3 in register q. For sets
 * of 128 bits, which define VECTORISED before they include this.
 *
 * vectors.h specifies all functions. Results are bit-identical to the other sets. */

#ifndef SPAM_EDGE_VECTORS_128_H
#define SPAM_EDGE_VECTORS_128_H

#include <string.h>

#define INLINED static inline __attribute__((always_inline)) VECTORISED

enum { QUARTER = 4, LANES = 4 * QUARTER };
enum { ABREAST = 1 };   /* attention: (4 sums + 1 of keys) x 4 + query = 21 of 32 registers */
enum { PANEL = LANES }; /* GEMM: 6 sums x 4 = 24 of 32 registers; weights and activations are loaded in turn */
enum { DEPTH_UNIT = 8 };

typedef struct {
    float32x4_t quarters[4];
} Floats;
typedef struct {
    int32x4_t quarters[4];
} Integers;

/* The first `count` lanes. A constant count folds the branches below. */
typedef struct {
    size_t count;
} Lanes;

INLINED Lanes lanes(size_t from, size_t to) {
    return (Lanes){from >= to ? 0 : to - from >= LANES ? LANES : to - from};
}

/* The lanes of `some` that are in quarter q. */
INLINED size_t in_quarter(Lanes some, size_t q) {
    return some.count <= q * QUARTER ? 0 : some.count - q * QUARTER >= QUARTER ? QUARTER : some.count - q * QUARTER;
}
INLINED uint32x4_t v_mask(Lanes some, size_t q) {
    static const uint32_t places[QUARTER] = {0, 1, 2, 3};
    return vcltq_u32(vld1q_u32(places), vdupq_n_u32((uint32_t)in_quarter(some, q)));
}

/* Applies an instruction to all registers. */
#define EACH_1(instruction, a)                                                          \
    ((Floats){{instruction((a).quarters[0]), instruction((a).quarters[1]),              \
               instruction((a).quarters[2]), instruction((a).quarters[3])}})
#define EACH_2(instruction, a, b)                                                       \
    ((Floats){{instruction((a).quarters[0], (b).quarters[0]),                           \
               instruction((a).quarters[1], (b).quarters[1]),                           \
               instruction((a).quarters[2], (b).quarters[2]),                           \
               instruction((a).quarters[3], (b).quarters[3])}})
#define EACH_3(instruction, a, b, c)                                                    \
    ((Floats){{instruction((a).quarters[0], (b).quarters[0], (c).quarters[0]),          \
               instruction((a).quarters[1], (b).quarters[1], (c).quarters[1]),          \
               instruction((a).quarters[2], (b).quarters[2], (c).quarters[2]),          \
               instruction((a).quarters[3], (b).quarters[3], (c).quarters[3])}})

INLINED Floats v_all(float x) {
    const float32x4_t all = vdupq_n_f32(x);
    return (Floats){{all, all, all, all}};
}
INLINED Floats v_zero(void) { return v_all(0); }
INLINED Floats v_load(const float *from) {
    return (Floats){{vld1q_f32(from), vld1q_f32(from + 4), vld1q_f32(from + 8), vld1q_f32(from + 12)}};
}
INLINED Floats v_load_aligned(const float *from) { return v_load(from); }
INLINED float32x4_t v_load_quarter(size_t count, const float *from) {
    float32x4_t found = vdupq_n_f32(0);
    if (count == QUARTER) return vld1q_f32(from);
    if (count > 0) found = vld1q_lane_f32(from, found, 0);
    if (count > 1) found = vld1q_lane_f32(from + 1, found, 1);
    if (count > 2) found = vld1q_lane_f32(from + 2, found, 2);
    return found;
}
INLINED Floats v_load_some(Lanes some, const float *from) {
    Floats found;
    if (some.count == LANES) return v_load(from);
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; q++) found.quarters[q] = v_load_quarter(in_quarter(some, q), from + q * QUARTER);
    return found;
}
INLINED void v_store(float *to, Floats x) {
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; q++) vst1q_f32(to + q * QUARTER, x.quarters[q]);
}
INLINED void v_store_aligned(float *to, Floats x) { v_store(to, x); }
INLINED void v_store_quarter(float *to, size_t count, float32x4_t x) {
    if (count == QUARTER) {
        vst1q_f32(to, x);
        return;
    }
    if (count > 0) vst1q_lane_f32(to, x, 0);
    if (count > 1) vst1q_lane_f32(to + 1, x, 1);
    if (count > 2) vst1q_lane_f32(to + 2, x, 2);
}
INLINED void v_store_some(float *to, Lanes some, Floats x) {
    if (some.count == LANES) {
        v_store(to, x);
        return;
    }
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; q++) v_store_quarter(to + q * QUARTER, in_quarter(some, q), x.quarters[q]);
}
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
    return (Integers){{vld1q_s32(from), vld1q_s32(from + 4), vld1q_s32(from + 8), vld1q_s32(from + 12)}};
}
INLINED Floats v_floats(Integers x) {
    return (Floats){{vcvtq_f32_s32(x.quarters[0]), vcvtq_f32_s32(x.quarters[1]), vcvtq_f32_s32(x.quarters[2]),
                     vcvtq_f32_s32(x.quarters[3])}};
}
INLINED Floats v_load_bytes(Lanes some, const int8_t *from) {
    int8_t bytes[LANES] = {0};
    if (some.count < LANES) memcpy(bytes, from, some.count);
    const int8x16_t all = vld1q_s8(some.count == LANES ? from : bytes);
    const int16x8_t low = vmovl_s8(vget_low_s8(all)), high = vmovl_high_s8(all);
    return (Floats){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
                     vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_high_s16(high))}};
}

INLINED Floats v_add(Floats a, Floats b) { return EACH_2(vaddq_f32, a, b); }
INLINED Floats v_subtract(Floats a, Floats b) { return EACH_2(vsubq_f32, a, b); }
INLINED Floats v_multiply(Floats a, Floats b) { return EACH_2(vmulq_f32, a, b); }
INLINED Floats v_multiply_add(Floats a, Floats b, Floats c) { return EACH_3(vfmaq_f32, c, a, b); }
INLINED Floats v_multiply_subtract(Floats a, Floats b, Floats c) {
    return v_multiply_add(a, b, EACH_1(vnegq_f32, c));
}
INLINED Floats v_subtract_product(Floats a, Floats b, Floats c) { return EACH_3(vfmsq_f32, c, a, b); }
/* A comparison and a selection: FMAX and FMIN give NaN for NaN, and order zeros. */
INLINED float32x4_t v_larger_quarter(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
INLINED float32x4_t v_smaller_quarter(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
INLINED Floats v_larger(Floats a, Floats b) { return EACH_2(v_larger_quarter, a, b); }
INLINED Floats v_smaller(Floats a, Floats b) { return EACH_2(v_smaller_quarter, a, b); }
INLINED Floats v_absolute(Floats x) { return EACH_1(vabsq_f32, x); }
INLINED Floats v_absolute_at_most(Floats x, float most) { return v_smaller(v_absolute(x), v_all(most)); }
INLINED Floats v_round(Floats x) { return EACH_1(vrndnq_f32, x); }
/* 2^n, from the exponent bits. */
INLINED float32x4_t v_power_of_two(float32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}
INLINED Floats v_times_power_of_two(Floats x, Floats n) { return v_multiply(x, EACH_1(v_power_of_two, n)); }
INLINED float v_sum(Floats x) {
    const float32x4_t four = vaddq_f32(vaddq_f32(x.quarters[0], x.quarters[2]), vaddq_f32(x.quarters[1], x.quarters[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
/* By halves, like v_sum(), so that NaN has the result of the other sets. */
INLINED float v_largest(Floats x) {
    const float32x4_t first = v_larger_quarter(x.quarters[0], x.quarters[2]);
    const float32x4_t four = v_larger_quarter(first, v_larger_quarter(x.quarters[1], x.quarters[3]));
    const float32x4_t two = v_larger_quarter(four, vextq_f32(four, four, 2));
    return vgetq_lane_f32(v_larger_quarter(two, vextq_f32(two, two, 1)), 0);
}
INLINED Floats v_select(Lanes some, Floats a, Floats b) {
    Floats selected;
    if (some.count == LANES) return a;
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; q++) selected.quarters[q] = vbslq_f32(v_mask(some, q), a.quarters[q], b.quarters[q]);
    return selected;
}
INLINED Floats v_keep(Lanes some, Floats x) { return v_select(some, x, v_zero()); }
INLINED Floats v_subtract_some(Lanes some, Floats a, Floats b) { return v_keep(some, v_subtract(a, b)); }
INLINED Floats v_larger_some(Lanes some, Floats a, Floats b) { return v_select(some, v_larger(a, b), a); }
/* A table of 64 bytes, looked up by byte: float i is bytes 4 i to 4 i + 3. */
INLINED float32x4_t v_look_up_quarter(uint8x16x4_t table, float32x4_t places) {
    const uint32x4_t number = vandq_u32(vreinterpretq_u32_f32(places), vdupq_n_u32(15));
    const uint32x4_t bytes = vmlaq_u32(vdupq_n_u32(0x03020100), number, vdupq_n_u32(0x04040404));
    return vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_u32(bytes)));
}
INLINED Floats v_look_up(const float table[16], Floats places) {
    const uint8_t *at = (const uint8_t *)table;
    const uint8x16x4_t bytes = {{vld1q_u8(at), vld1q_u8(at + 16), vld1q_u8(at + 32), vld1q_u8(at + 48)}};
    return (Floats){{v_look_up_quarter(bytes, places.quarters[0]), v_look_up_quarter(bytes, places.quarters[1]),
                     v_look_up_quarter(bytes, places.quarters[2]), v_look_up_quarter(bytes, places.quarters[3])}};
}

/* v_transpose() for a block of 4 x 4. */
INLINED void v_transpose_quarter(const float *from, size_t stride, size_t rows, size_t columns, float *to,
                                 size_t width) {
    float32x4_t a[QUARTER];
#pragma GCC unroll 4
    for (size_t i = 0; i < QUARTER; i++)
        a[i] = i < rows ? v_load_quarter(columns < QUARTER ? columns : QUARTER, from + i * stride) : vdupq_n_f32(0);
    const float32x4x2_t low = vtrnq_f32(a[0], a[1]), high = vtrnq_f32(a[2], a[3]);
    const float32x4_t turned[QUARTER] = {
        vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0])),
        vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1])),
        vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0])),
        vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1])),
    };
#pragma GCC unroll 4
    for (size_t i = 0; i < QUARTER; i++)
        if (i < columns) vst1q_f32(to + i * width, turned[i]);
}

INLINED void v_transpose(const float *from, size_t stride, size_t rows, size_t columns, float *to, size_t width) {
    for (size_t row = 0; row < LANES; row += QUARTER)
        for (size_t column = 0; column < LANES && column < columns; column += QUARTER)
            v_transpose_quarter(from + row * stride + column, stride, rows > row ? rows - row : 0, columns - column,
                                to + column * width + row, width);
}

/* CVTPS2DQ of x86: FCVTNS, except that NaN and values of 2^31 or more give the smallest integer. */
INLINED int32x4_t v_integers_quarter(float32x4_t x) {
    return vbslq_s32(vcltq_f32(x, vdupq_n_f32(0x1p31f)), vcvtnq_s32_f32(x), vdupq_n_s32(INT32_MIN));
}
INLINED int16x8_t v_shorts(float32x4_t low, float32x4_t high) {
    return vqmovn_high_s32(vqmovn_s32(v_integers_quarter(low)), v_integers_quarter(high));
}

/* v_store_steps() with q - 128 in a byte, exclusive-or `flips`. A partial block goes through a buffer. */
INLINED void v_store_signed_steps(int whole, int8_t *to, size_t from, size_t end, const Floats steps[4], int zero,
                                  int8x16_t flips) {
    /* The shift saturates, or NaN and large values, which are -32768 here, would wrap to the largest byte. */
    const int16x8_t shift = vdupq_n_s16((int16_t)(zero - 128));
    int8_t rounded[4 * LANES];
    int8_t *target = whole || end - from >= 4 * LANES ? to + from : rounded;
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const float32x4_t *quarters = steps[v].quarters;
        const int8x8_t low = vqmovn_s16(vqaddq_s16(v_shorts(quarters[0], quarters[1]), shift));
        const int8x16_t bytes = vqmovn_high_s16(low, vqaddq_s16(v_shorts(quarters[2], quarters[3]), shift));
        vst1q_s8(target + v * LANES, veorq_s8(bytes, flips));
    }
    if (target == rounded) memcpy(to + from, rounded, end - from);
}

#endif
