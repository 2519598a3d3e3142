#include "decimator.h"

#include "decimator_tables.h"

enum { KEPT = DECIMATOR_TAPS - 2 };

static inline int16_t rounded(int64_t sum)
{
    int32_t value = (int32_t)(sum >> 16);
    return (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
}

static int16_t filter_one(const int16_t *samples)
{
    int64_t sum = 1 << 15;
    for (uint32_t i = 0; i < DECIMATOR_TAPS; i++)
        sum += (int32_t)samples[i] * decimator_taps[i];
    return rounded(sum);
}

#ifdef __ARM_FEATURE_SIMD32
/* Four taps of two outputs. A step's last samples are the next one's first, so steps come in pairs
 * with roles changed. */
#define STEP(before, after)                                                                        \
    "ldrd %[low], %[high], [%[taps]], #8\n"                                                        \
    "ldrd %[between], %[" after "], [%[samples]], #8\n"                                            \
    "smlald %Q[first], %R[first], %[" before "], %[low]\n"                                         \
    "smlald %Q[second], %R[second], %[between], %[low]\n"                                          \
    "smlald %Q[first], %R[first], %[between], %[high]\n"                                           \
    "smlald %Q[second], %R[second], %[" after "], %[high]\n"
#define STEPS_2 STEP("even", "odd") STEP("odd", "even")
#define STEPS_8 STEPS_2 STEPS_2 STEPS_2 STEPS_2
#define STEPS_34 STEPS_8 STEPS_8 STEPS_8 STEPS_8 STEPS_2
_Static_assert(DECIMATOR_TAPS == 4 * 34, "as many steps as the taps need");

/* Two outputs at once, since they share their taps and all samples but two. A compiler moves
 * registers about where it writes this itself, and needs half as many instructions again. */
static void filter_two(const int16_t *samples, int16_t *out)
{
    const int16_t *taps = decimator_taps;
    int64_t first = 1 << 15, second = 1 << 15;
    uint32_t even, odd, between, low, high;
    __asm("ldr %[even], [%[samples]], #4\n" STEPS_34
          : [first] "+r"(first), [second] "+r"(second), [samples] "+r"(samples), [taps] "+r"(taps),
            [even] "=&r"(even), [odd] "=&r"(odd), [between] "=&r"(between), [low] "=&r"(low),
            [high] "=&r"(high)
          :
          : "memory");
    out[0] = rounded(first);
    out[1] = rounded(second);
}
#else
static void filter_two(const int16_t *samples, int16_t *out)
{
    out[0] = filter_one(samples);
    out[1] = filter_one(samples + 2);
}
#endif

/* Two samples at a time; no end has to lie on a multiple of 4 bytes. */
static void copy(int16_t *to, const int16_t *from, uint32_t count)
{
    for (; count >= 2; count -= 2, to += 2, from += 2)
        __builtin_memcpy(to, from, 4);
    if (count)
        *to = *from;
}

void decimator_reset(decimator_t *decimator)
{
    decimator->filled = KEPT;
    for (uint32_t i = 0; i < DECIMATOR_TAPS + DECIMATOR_CHUNK; i++)
        decimator->samples[i] = 0;
}

uint32_t decimator_push(decimator_t *decimator, const int16_t *in, uint32_t count, int16_t *out)
{
    int16_t *samples = decimator->samples;
    uint32_t total = 0;
    while (count) {
        uint32_t taken = count < DECIMATOR_CHUNK ? count : DECIMATOR_CHUNK;
        copy(samples + decimator->filled, in, taken);
        in += taken;
        count -= taken;
        uint32_t filled = decimator->filled + taken, outputs = (filled - KEPT) / 2, done = 0;
        for (; done + 2 <= outputs; done += 2)
            filter_two(samples + 2 * done, out + done);
        if (done < outputs)
            out[done] = filter_one(samples + 2 * done);
        out += outputs;
        total += outputs;
        decimator->filled = filled - 2 * outputs;
        copy(samples, samples + 2 * outputs, decimator->filled);
    }
    return total;
}
