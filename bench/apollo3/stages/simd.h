/* Two int16 in a word, low half first: the processor's instructions, and the same in plain C. */
#ifndef KILOHEAR_SIMD_H
#define KILOHEAR_SIMD_H

#include <stdint.h>

typedef uint32_t __attribute__((may_alias)) int16_pair;

#ifdef __ARM_FEATURE_SIMD32
#include <arm_acle.h>

#define SIMD_HALVES(name, instruction, low, high)                                                  \
    static inline int16_pair name(int16_pair a, int16_pair b)                                      \
    {                                                                                              \
        return (int16_pair)instruction((int16x2_t)a, (int16x2_t)b);                                \
    }
#define SIMD_SUM(name, instruction, sum)                                                           \
    static inline int32_t name(int16_pair a, int16_pair b, int32_t start)                          \
    {                                                                                              \
        return instruction((int16x2_t)a, (int16x2_t)b, start);                                     \
    }
#else
static inline int32_t simd_low(int16_pair a)
{
    return (int16_t)(a & 0xFFFFu);
}

static inline int32_t simd_high(int16_pair a)
{
    return (int16_t)(a >> 16);
}

#define SIMD_HALVES(name, instruction, low, high)                                                  \
    static inline int16_pair name(int16_pair a, int16_pair b)                                      \
    {                                                                                              \
        int32_t al = simd_low(a), ah = simd_high(a), bl = simd_low(b), bh = simd_high(b);          \
        return ((uint32_t)(low) & 0xFFFFu) | (uint32_t)(high) << 16;                               \
    }
#define SIMD_SUM(name, instruction, sum)                                                           \
    static inline int32_t name(int16_pair a, int16_pair b, int32_t start)                          \
    {                                                                                              \
        int32_t al = simd_low(a), ah = simd_high(a), bl = simd_low(b), bh = simd_high(b);          \
        return start + (sum);                                                                      \
    }
#endif

/* Sums and differences that wrap, and such that are halved; the crossed ones add i b or -i b to a
 * complex a. */
SIMD_HALVES(simd_add, __sadd16, al + bl, ah + bh)
SIMD_HALVES(simd_subtract, __ssub16, al - bl, ah - bh)
SIMD_HALVES(simd_add_i, __sasx, al - bh, ah + bl)
SIMD_HALVES(simd_subtract_i, __ssax, al + bh, ah - bl)
SIMD_HALVES(simd_half_add, __shadd16, (al + bl) >> 1, (ah + bh) >> 1)
SIMD_HALVES(simd_half_subtract, __shsub16, (al - bl) >> 1, (ah - bh) >> 1)
SIMD_HALVES(simd_half_add_i, __shasx, (al - bh) >> 1, (ah + bl) >> 1)
SIMD_HALVES(simd_half_subtract_i, __shsax, (al + bh) >> 1, (ah - bl) >> 1)

/* Both products of halves, added to or subtracted from each other. */
SIMD_SUM(simd_dot, __smlad, al * bl + ah * bh)
SIMD_SUM(simd_dot_crossed, __smladx, al * bh + ah * bl)
SIMD_SUM(simd_difference, __smlsd, al * bl - ah * bh)
SIMD_SUM(simd_difference_crossed, __smlsdx, al * bh - ah * bl)

/* The low half of one word and the high half of another. */
static inline int16_pair simd_join(int16_pair low, int16_pair high)
{
    return (low & 0xFFFFu) | (high & 0xFFFF0000u);
}

#endif
