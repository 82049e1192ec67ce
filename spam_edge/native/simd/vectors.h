/* Instruction-set layer: vectors of 16 floats, for fp32 operations and the int8 GEMM.
 *
 * An instruction set is a pair of headers: vectors_<set>.h, included here, and products_<set>.h, included by
 * gemm_vectors.c. The rest of the C code uses only what is listed below. Each set is compiled into a library of its own
 * from the same sources; a definition, such as SPAM_EDGE_AVX2, selects the pair. vectors_128.h (ARM64), vectors_256.h,
 * vectors_512.h, products_128.h and products_256.h hold what sets of one width share.
 *
 * AMX multiplies tiles, not vectors. A set that defines SPAM_EDGE_TILES in its vectors_<set>.h has the GEMM of
 * gemm_tiles.c, and in place of products_<set>.h the instructions in tiles.h. There are two, amx and amx_emulated: the
 * second has these instructions in C, for tests on other processors.
 *
 * To add a set:
 *
 *   1. Write both headers.
 *   2. Select them by a definition, here and in gemm_vectors.c.
 *   3. Add its name and definition to its architecture in build.py, before weaker sets. The tests of the operator and
 *      the fuzz harness follow.
 *   4. Add its processor flags to spam_edge/runtime/processor.py, before weaker sets.
 *   5. Add it to the lists in tests/native/test_instructions.py and tests/project/test_wheel.py, or for ARM64 to those in
 *      tests/arm64/emulator.py and tests/project/test_wheel_for_arm.py.
 *   6. For another architecture, also add its header below, pause_core() in thread_pool.c, and the architecture to
 *      build.py and processor.py.
 *
 * Bit-identical results
 *
 * All sets must give the same logits to the last bit. So each function that returns or stores fp32 values, or quantised
 * values, must give bit-identical results in every set. That needs:
 *
 *   - LANES = 16, in one register or several, because sums go by lane;
 *   - one rounding, to nearest even, per add, subtract, multiply and fused multiply-add, and fused multiply-add exactly
 *     where it is listed: -ffp-contract=off, no -ffast-math;
 *   - the order of v_sum() below;
 *   - the results of v_larger() and v_smaller() for NaN and zeros; otherwise NaN payloads do not matter;
 *   - subnormal numbers, not flushed to zero.
 *
 * Free are the layout of Floats, Lanes, Integers, Step and packed weights, and ABREAST, PANEL, DEPTH_UNIT, GROUP and
 * LINES.
 *
 * vectors_<set>.h: constants, types and attributes
 *
 *   VECTORISED   function attribute that enables the instruction set; the rest of the library runs on any processor
 *                of the architecture
 *   INLINED      static inline, always inlined, VECTORISED; a caller must be INLINED or VECTORISED as well
 *   LANES        16
 *   ABREAST      1 to 4: attention holds 4 x ABREAST vectors of sums, ABREAST of keys and one query in registers
 *   PANEL        outputs per GEMM panel, LANES times 1 to 4: the GEMM holds 6 x PANEL / LANES vectors of sums,
 *                PANEL / LANES of weights and one of activations in registers
 *   DEPTH_UNIT   columns of quantised values are padded to a multiple of it: 4 or 8, or with tiles 64
 *   Floats       16 floats; lane 0 comes first in memory
 *   Integers     16 int32
 *   Lanes        a mask of the first n lanes, 0 <= n <= 16; the other lanes are neither read nor written in memory
 *   Step         a quantised activation, by zero point z: uint8_t holds q from 0 to 255 (for u8 x s8 products), int8_t
 *                holds q - 128 (for s8 x s8 products), int16_t holds q - z (for 16-bit products)
 *
 * vectors_<set>.h: functions, by lane i. Memory needs no alignment unless stated.
 *
 *   lanes(from, to)                      the first min(to - from, 16) lanes; none if from >= to
 *   v_all(x), v_zero()                   x; 0
 *   v_load(from), v_store(to, x)         16 floats
 *   v_load_aligned, v_store_aligned      the same, aligned to 64 bytes
 *   v_load_some(some, from)              from[i] in `some`, 0 elsewhere
 *   v_store_some(to, some, x)            stores the lanes in `some` only
 *   v_load_integers(from), v_floats(x)   16 int32; their values in fp32, to nearest even
 *   v_load_bytes(some, from)             int8 from[i] as a float in `some`, 0 elsewhere
 *   v_gather(some, from, places)         from[places[i]] in `some`, 0 elsewhere; places are int32
 *   v_add, v_subtract, v_multiply(a, b)  a + b, a - b, a b
 *   v_multiply_add(a, b, c)              a b + c, fused, as the next two
 *   v_multiply_subtract(a, b, c)         a b - c
 *   v_subtract_product(a, b, c)          c - a b
 *   v_larger(a, b), v_smaller(a, b)      maximum, minimum; b if either is NaN or both are zero (MAXPS, MINPS)
 *   v_absolute(x)                        |x|
 *   v_absolute_at_most(x, most)          min(|x|, most), for most > 0; `most` for NaN
 *   v_round(x)                           nearest whole number, halves to even
 *   v_times_power_of_two(x, n)           x 2^n, rounded once, for whole n from -126 to 0
 *   v_keep(some, x)                      x in `some`, 0 elsewhere
 *   v_subtract_some(some, a, b)          a - b in `some`, 0 elsewhere
 *   v_larger_some(some, a, b)            v_larger(a, b) in `some`, a elsewhere
 *   v_look_up(table, places)             table[lowest 4 bits of places[i], as an integer]; table has 16 floats
 *   v_sum(x)                             sum by halves: t[i] = x[i] + x[i + 8] for i < 8, then u[i] = t[i] + t[i + 4]
 *                                        for i < 4, then w[i] = u[i] + u[i + 2] for i < 2, then w[0] + w[1]
 *   v_largest(x)                         maximum of all lanes, for x without NaN
 *
 *   v_transpose(from, stride, rows, columns, to, width)
 *       Transposes a block of up to 16 x 16: to[c width + r] = from[r stride + c] for r < 16 and c < min(columns, 16),
 *       with 0 for r >= rows. Reads no other elements, and writes no other columns. `to` is aligned to 64 bytes, and
 *       `width` is a multiple of 16.
 *
 *   v_store_steps(whole, to, from, end, steps, zero)
 *       Quantises 64 floats in units of the scale, steps[4]: rounds to nearest, halves to even; clamps to -zero to
 *       255 - zero; stores them as Step in to[from] to to[min(from + 64, end) - 1], and nothing else. `whole`, a
 *       constant, says that from + 64 <= end. `zero` is 128, or 32 for values of at least -32. NaN and values of 2^31
 *       or more give -zero (CVTPS2DQ).
 *
 * products_<set>.h: the int8 GEMM, in exact int32 arithmetic. See linear.h for Linear, and gemm_vectors.c for the
 * algorithm.
 *
 *   GROUP      columns that are taken at once: 1, 2, 4 or 8, which divide DEPTH_UNIT
 *   LINES      cache lines of a column group of a panel, GROUP x PANEL / 64, at least 1: the prefetch for small batches
 *
 *   pack_panel(linear, weights, first)
 *       Packs weights (columns, outputs) of outputs `first` to first + PANEL - 1 into linear->packed + first depth, as
 *       (depth / GROUP, PANEL, GROUP), with 0 beyond columns and outputs. If Step holds q, sets starts[first + n] to
 *       -z sum over k of w[k][n], or (128 - z) times that sum if it holds q - 128; if it holds q - z, leaves the 0
 *       there. `packed` is aligned to 64 bytes.
 *   v_load_weights(group, v)             GROUP weights of each of outputs 16 v to 16 v + 15, from a group of `packed`
 *   v_load_steps(steps)                  GROUP quantised values, the same in each lane
 *   v_add_products(sums, steps, weights) sums[i] + sum over GROUP of step x weight, without saturation at any point;
 *                                        u8 x s8 instructions that add in 16 bits (VPMADDUBSW) do not qualify
 *
 *   Sets whose instructions go best in another order define OWN_SUM_PRODUCTS and sum_products() of gemm_vectors.c instead
 *   of v_load_weights(), v_load_steps() and v_add_products(). Their layout of `packed` may differ within a group.
 *
 * Other functions in these headers are private to them. */

#ifndef SPAM_EDGE_VECTORS_H
#define SPAM_EDGE_VECTORS_H

#if defined __aarch64__
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif
#include <stddef.h>
#include <stdint.h>

#if defined SPAM_EDGE_NEON
#include "vectors_neon.h"
#elif defined SPAM_EDGE_DOTPROD || defined SPAM_EDGE_I8MM
#include "vectors_dotprod.h"
#elif defined SPAM_EDGE_AVX2
#include "vectors_avx2.h"
#elif defined SPAM_EDGE_AVX_VNNI
#include "vectors_avx_vnni.h"
#elif defined SPAM_EDGE_AMX
#include "vectors_amx.h"
#elif defined SPAM_EDGE_AMX_EMULATED
#include "vectors_amx_emulated.h"
#else
#include "vectors_avx512.h"
#endif

/* Elements per iteration of a sum: four independent vectors, to hide the latency of addition. */
enum { STRIDE = 4 * LANES };

/* All lanes if `whole`, a constant after inlining, else lanes(). */
INLINED Lanes lanes_of(int whole, size_t from, size_t to) { return whole ? lanes(0, LANES) : lanes(from, to); }

/* (p0 + p1) + (p2 + p3), by lane. */
INLINED Floats sum_of_four(const Floats parts[4]) {
    return v_add(v_add(parts[0], parts[1]), v_add(parts[2], parts[3]));
}

/* e^x by lane for x <= 0, relative error below 2e-7; x is clamped at -87. Range reduction to powers of two, and a
 * polynomial of degree 6 (Moshier, Cephes, expf). */
INLINED Floats exponential(Floats x) {
    x = v_larger(x, v_all(-87.0f));
    const Floats n = v_round(v_multiply(x, v_all(1.44269504f)));
    Floats r = v_subtract_product(n, v_all(0.693359375f), x);
    r = v_subtract_product(n, v_all(-2.12194440e-4f), r);
    Floats p = v_all(1.9875691500e-4f);
    p = v_multiply_add(p, r, v_all(1.3981999507e-3f));
    p = v_multiply_add(p, r, v_all(8.3334519073e-3f));
    p = v_multiply_add(p, r, v_all(4.1665795894e-2f));
    p = v_multiply_add(p, r, v_all(1.6666665459e-1f));
    p = v_multiply_add(p, r, v_all(5.0000001201e-1f));
    p = v_multiply_add(p, v_multiply(r, r), v_add(r, v_all(1.0f)));
    return v_times_power_of_two(p, n);
}

#endif
