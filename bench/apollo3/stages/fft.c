/* Real FFT by a complex FFT of half the length: sample pairs are taken as complex numbers, and a
 * last step splits the two interleaved spectra (Sorensen et al., Real-valued fast Fourier
 * transform algorithms, 1987). Decimation in time: a first pass of radix 4 or 8 without twiddles
 * reads the pairs in digit-reversed order, passes of radix 4 follow in place. */
#include "fft.h"

#include "fft_tables.h"
#include "simd.h"

static inline complex_f32 add(complex_f32 a, complex_f32 b)
{
    return (complex_f32){a.re + b.re, a.im + b.im};
}

static inline complex_f32 subtract(complex_f32 a, complex_f32 b)
{
    return (complex_f32){a.re - b.re, a.im - b.im};
}

static inline complex_f32 multiply(complex_f32 a, complex_f32 b)
{
    return (complex_f32){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* a - i b and a + i b. */
static inline complex_f32 add_minus_i(complex_f32 a, complex_f32 b)
{
    return (complex_f32){a.re + b.im, a.im - b.re};
}

static inline complex_f32 add_plus_i(complex_f32 a, complex_f32 b)
{
    return (complex_f32){a.re - b.im, a.im + b.re};
}

/* DFT of four numbers, written `step` apart. */
static inline void butterfly_4(complex_f32 a, complex_f32 b, complex_f32 c, complex_f32 d,
                               complex_f32 *out, uint32_t step)
{
    complex_f32 ac = add(a, c), bd = add(b, d), a_c = subtract(a, c), b_d = subtract(b, d);
    out[0] = add(ac, bd);
    out[step] = add_minus_i(a_c, b_d);
    out[2 * step] = subtract(ac, bd);
    out[3 * step] = add_plus_i(a_c, b_d);
}

static void first_pass_4(const complex_f32 *restrict in, complex_f32 *restrict out, uint32_t size)
{
    uint32_t quarter = size / 4;
    const uint8_t *reversed = fft_reversed, *end = fft_reversed + 64;
    for (; reversed != end; reversed += 64 / quarter, out += 4) {
        const complex_f32 *from = in + *reversed;
        butterfly_4(from[0], from[quarter], from[2 * quarter], from[3 * quarter], out, 1);
    }
}

static void first_pass_8(const complex_f32 *restrict in, complex_f32 *restrict out, uint32_t size)
{
    const float half_root = 0.70710678f;
    uint32_t eighth = size / 8;
    const uint8_t *reversed = fft_reversed, *end = fft_reversed + 64;
    for (; reversed != end; reversed += 64 / eighth, out += 8) {
        const complex_f32 *from = in + *reversed;
        complex_f32 a = from[0], b = from[2 * eighth], c = from[4 * eighth], d = from[6 * eighth];
        complex_f32 ac = add(a, c), bd = add(b, d), a_c = subtract(a, c), b_d = subtract(b, d);
        complex_f32 even[4] = {add(ac, bd), add_minus_i(a_c, b_d), subtract(ac, bd),
                               add_plus_i(a_c, b_d)};
        from += eighth;
        a = from[0], b = from[2 * eighth], c = from[4 * eighth], d = from[6 * eighth];
        ac = add(a, c), bd = add(b, d), a_c = subtract(a, c), b_d = subtract(b, d);
        complex_f32 odd_1 = add_minus_i(a_c, b_d), odd_3 = add_plus_i(a_c, b_d);
        complex_f32 odd_0 = add(ac, bd), odd_2 = subtract(ac, bd);
        /* exp(-i pi / 4) and exp(-3 i pi / 4) times the odd ones. */
        odd_1 = (complex_f32){(odd_1.re + odd_1.im) * half_root,
                              (odd_1.im - odd_1.re) * half_root};
        odd_3 = (complex_f32){(odd_3.im - odd_3.re) * half_root,
                              (odd_3.re + odd_3.im) * -half_root};
        out[0] = add(even[0], odd_0);
        out[1] = add(even[1], odd_1);
        out[2] = add_minus_i(even[2], odd_2);
        out[3] = add(even[3], odd_3);
        out[4] = subtract(even[0], odd_0);
        out[5] = subtract(even[1], odd_1);
        out[6] = add_plus_i(even[2], odd_2);
        out[7] = subtract(even[3], odd_3);
    }
}

/* Join four spectra of `span` points each into one, throughout `size` points in place. */
static void pass_4(complex_f32 *data, uint32_t span, uint32_t size)
{
    const complex_f32 *twiddles = fft_twiddles_f32 + 3 * (span - 4);
    complex_f32 *end = data + size;
    for (complex_f32 *z = data; z != end; z += 4 * span)
        butterfly_4(z[0], z[span], z[2 * span], z[3 * span], z, span);
    for (uint32_t k = 1; k < span; k++) {
        twiddles += 3;
        complex_f32 w1 = twiddles[0], w2 = twiddles[1], w3 = twiddles[2];
        for (complex_f32 *z = data + k; z < end; z += 4 * span)
            butterfly_4(z[0], multiply(z[span], w1), multiply(z[2 * span], w2),
                        multiply(z[3 * span], w3), z, span);
    }
}

/* Complex FFT of `size` sample pairs. */
static void transform(const float *signal, complex_f32 *out, uint32_t size)
{
    const complex_f32 *pairs = (const complex_f32 *)signal;
    uint32_t span = 4;
    if (size == 32 || size == 128) {
        span = 8;
        first_pass_8(pairs, out, size);
    } else {
        first_pass_4(pairs, out, size);
    }
    for (; span < size; span *= 4)
        pass_4(out, span, size);
}

/* Bins k and size - k of the real signal's spectrum, from those of its pairs' spectrum. */
static inline void split(complex_f32 a, complex_f32 b, complex_f32 half_turn, complex_f32 *low,
                         complex_f32 *high)
{
    complex_f32 even = {0.5f * (a.re + b.re), 0.5f * (a.im - b.im)};
    complex_f32 odd = multiply((complex_f32){a.im + b.im, b.re - a.re}, half_turn);
    *low = add(even, odd);
    *high = (complex_f32){even.re - odd.re, odd.im - even.im};
}

void fft_f32(const float *signal, complex_f32 *spectrum, uint32_t points)
{
    if (!fft_takes(points))
        return;
    uint32_t size = points / 2, stride = FFT_MOST / points;
    transform(signal, spectrum, size);
    complex_f32 first = spectrum[0];
    spectrum[0] = (complex_f32){first.re + first.im, 0.0f};
    spectrum[size] = (complex_f32){first.re - first.im, 0.0f};
    complex_f32 *low = spectrum + 1, *high = spectrum + size - 1;
    for (const complex_f32 *turn = fft_half_turns_f32 + stride; low < high; turn += stride)
        split(*low, *high, *turn, low, high), low++, high--;
    low->im = -low->im;
}

static inline float power_of(complex_f32 z)
{
    return z.re * z.re + z.im * z.im;
}

void fft_power_f32(const float *signal, complex_f32 *work, float *power, uint32_t points)
{
    if (!fft_takes(points))
        return;
    uint32_t size = points / 2, stride = FFT_MOST / points;
    transform(signal, work, size);
    float sum = work[0].re + work[0].im, difference = work[0].re - work[0].im;
    power[0] = sum * sum;
    power[size] = difference * difference;
    const complex_f32 *low = work + 1, *high = work + size - 1;
    float *power_low = power + 1, *power_high = power + size - 1;
    for (const complex_f32 *turn = fft_half_turns_f32 + stride; low < high; turn += stride) {
        complex_f32 a, b;
        split(*low++, *high--, *turn, &a, &b);
        *power_low++ = power_of(a);
        *power_high-- = power_of(b);
    }
    *power_low = power_of(*low);
}

/* In q15 a complex number is an int16_pair. A pass of radix 4 divides by 4, one of radix 8 by 8: a
 * signal within half scale has pairs of magnitude 0.71 at most, and so have all their means, which
 * no turn takes out of 16 bits. */
enum { HALF_UNIT = 1 << 15 }; /* rounds a sum of products to its upper half */

/* a b / 2, rounded. */
static inline int16_pair half_product(int16_pair a, int16_pair b)
{
    uint32_t re = (uint32_t)simd_difference(a, b, HALF_UNIT);
    uint32_t im = (uint32_t)simd_dot_crossed(a, b, HALF_UNIT);
    return simd_join(re >> 16, im);
}

static inline int16_pair half(int16_pair a)
{
    return simd_half_add(a, 0);
}

/* DFT of four numbers over 4; then of four that are halved already. */
static inline void butterfly_4_q15(int16_pair a, int16_pair b, int16_pair c, int16_pair d,
                                   int16_pair *out, uint32_t step)
{
    int16_pair ac = simd_half_add(a, c), a_c = simd_half_subtract(a, c);
    int16_pair bd = simd_half_add(b, d), b_d = simd_half_subtract(b, d);
    out[0] = simd_half_add(ac, bd);
    out[step] = simd_half_subtract_i(a_c, b_d);
    out[2 * step] = simd_half_subtract(ac, bd);
    out[3 * step] = simd_half_add_i(a_c, b_d);
}

static inline void butterfly_4_of_halves(int16_pair a, int16_pair b, int16_pair c, int16_pair d,
                                         int16_pair *out, uint32_t step)
{
    int16_pair ac = simd_add(a, c), a_c = simd_subtract(a, c);
    int16_pair bd = simd_add(b, d), b_d = simd_subtract(b, d);
    out[0] = simd_half_add(ac, bd);
    out[step] = simd_half_subtract_i(a_c, b_d);
    out[2 * step] = simd_half_subtract(ac, bd);
    out[3 * step] = simd_half_add_i(a_c, b_d);
}

static void first_pass_4_q15(const int16_pair *restrict in, int16_pair *restrict out,
                             uint32_t size)
{
    uint32_t quarter = size / 4;
    const uint8_t *reversed = fft_reversed, *end = fft_reversed + 64;
    for (; reversed != end; reversed += 64 / quarter, out += 4) {
        const int16_pair *from = in + *reversed;
        butterfly_4_q15(from[0], from[quarter], from[2 * quarter], from[3 * quarter], out, 1);
    }
}

static void first_pass_8_q15(const int16_pair *restrict in, int16_pair *restrict out,
                             uint32_t size)
{
    const int16_pair eighth_turn = 0xA57E5A82u, three_eighths = 0xA57EA57Eu;
    uint32_t eighth = size / 8;
    const uint8_t *reversed = fft_reversed, *end = fft_reversed + 64;
    for (; reversed != end; reversed += 64 / eighth, out += 8) {
        const int16_pair *from = in + *reversed;
        int16_pair even[4], odd[4];
        butterfly_4_q15(from[0], from[2 * eighth], from[4 * eighth], from[6 * eighth], even, 1);
        from += eighth;
        butterfly_4_q15(from[0], from[2 * eighth], from[4 * eighth], from[6 * eighth], odd, 1);
        odd[1] = half_product(odd[1], eighth_turn);
        odd[3] = half_product(odd[3], three_eighths);
        even[1] = half(even[1]);
        even[3] = half(even[3]);
        out[0] = simd_half_add(even[0], odd[0]);
        out[1] = simd_add(even[1], odd[1]);
        out[2] = simd_half_subtract_i(even[2], odd[2]);
        out[3] = simd_add(even[3], odd[3]);
        out[4] = simd_half_subtract(even[0], odd[0]);
        out[5] = simd_subtract(even[1], odd[1]);
        out[6] = simd_half_add_i(even[2], odd[2]);
        out[7] = simd_subtract(even[3], odd[3]);
    }
}

static void pass_4_q15(int16_pair *data, uint32_t span, uint32_t size)
{
    const int16_pair *twiddles = fft_twiddles_q15 + 3 * (span - 4);
    int16_pair *end = data + size;
    for (int16_pair *z = data; z != end; z += 4 * span)
        butterfly_4_q15(z[0], z[span], z[2 * span], z[3 * span], z, span);
    for (uint32_t k = 1; k < span; k++) {
        twiddles += 3;
        int16_pair w1 = twiddles[0], w2 = twiddles[1], w3 = twiddles[2];
        for (int16_pair *z = data + k; z < end; z += 4 * span)
            butterfly_4_of_halves(half(z[0]), half_product(z[span], w1),
                                  half_product(z[2 * span], w2), half_product(z[3 * span], w3), z,
                                  span);
    }
}

static void transform_q15(const int16_t *signal, int16_pair *out, uint32_t size)
{
    const int16_pair *pairs = (const int16_pair *)signal;
    uint32_t span = 4;
    if (size == 32 || size == 128) {
        span = 8;
        first_pass_8_q15(pairs, out, size);
    } else {
        first_pass_4_q15(pairs, out, size);
    }
    for (; span < size; span *= 4)
        pass_4_q15(out, span, size);
}

/* Bin k, and the conjugate of bin size - k. */
static inline void split_q15(int16_pair a, int16_pair b, int16_pair turn, int16_pair *low,
                             int16_pair *high)
{
    int16_pair sum = simd_half_add(a, b), difference = simd_half_subtract(a, b);
    int16_pair even = simd_join(sum, difference), odd = simd_join(difference, sum);
    uint32_t re = (uint32_t)simd_dot(odd, turn, HALF_UNIT / 2);
    uint32_t minus_im = (uint32_t)simd_difference_crossed(odd, turn, HALF_UNIT / 2);
    int16_pair turned = simd_join(minus_im >> 15, re << 1);
    *low = simd_subtract_i(even, turned);
    *high = simd_add_i(even, turned);
}

void fft_q15(const int16_t *signal, complex_q15 *spectrum, uint32_t points)
{
    if (!fft_takes(points))
        return;
    uint32_t size = points / 2, stride = FFT_MOST / points;
    transform_q15(signal, (int16_pair *)spectrum, size);
    complex_q15 first = spectrum[0];
    spectrum[0] = (complex_q15){(int16_t)(first.re + first.im), 0};
    spectrum[size] = (complex_q15){(int16_t)(first.re - first.im), 0};
    int16_pair *low = (int16_pair *)spectrum + 1, *high = (int16_pair *)spectrum + size - 1;
    for (const int16_pair *turn = fft_turns_q15 + stride; low < high; turn += stride) {
        split_q15(*low, *high, *turn, low, high);
        *high = simd_join(*high, simd_subtract(0, *high));
        low++, high--;
    }
    *low = simd_join(*low, simd_subtract(0, *low));
}

/* Squares of 16 bits, so their sum fits 32 bits without a sign. */
static inline float power_q15(int16_pair z)
{
    return (float)(uint32_t)simd_dot(z, z, 0);
}

void fft_power_q15(const int16_t *signal, complex_q15 *work, float *power, uint32_t points)
{
    if (!fft_takes(points))
        return;
    uint32_t size = points / 2, stride = FFT_MOST / points;
    transform_q15(signal, (int16_pair *)work, size);
    float sum = (float)(work[0].re + work[0].im), difference = (float)(work[0].re - work[0].im);
    power[0] = sum * sum;
    power[size] = difference * difference;
    const int16_pair *low = (int16_pair *)work + 1, *high = (int16_pair *)work + size - 1;
    float *power_low = power + 1, *power_high = power + size - 1;
    for (const int16_pair *turn = fft_turns_q15 + stride; low < high; turn += stride) {
        int16_pair a, b;
        split_q15(*low++, *high--, *turn, &a, &b);
        *power_low++ = power_q15(a);
        *power_high-- = power_q15(b);
    }
    *power_low = power_q15(*low);
}

float fft_block(const int16_t *samples, uint32_t count, uint32_t points)
{
    static float signal[FFT_MOST], power[FFT_MOST_BINS];
    static complex_f32 work[FFT_MOST / 2];
    float sum = 0.0f;
    if (!fft_takes(points))
        return sum;
    for (; count >= points; count -= points) {
        for (uint32_t i = 0; i < points; i++)
            signal[i] = (float)*samples++;
        fft_power_f32(signal, work, power, points);
        for (uint32_t bin = 0; bin <= points / 2; bin++)
            sum += power[bin];
    }
    return sum;
}
