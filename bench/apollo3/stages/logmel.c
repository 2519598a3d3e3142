#include "logmel.h"

#include "fft.h"
#include "image.h"
#include "logmel_tables.h"

/* Of one of the two kinds at a time. */
static union {
    float f32[FFT_MOST];
    int32_t q30[FFT_MOST];
    int16_t q15[FFT_MOST];
} frame;
static union {
    complex_f32 f32[FFT_MOST / 2];
    complex_q15 q15[FFT_MOST / 2];
} work;
static float power[FFT_MOST_BINS];

/* 10 log10 of a positive, normal number, within LOGMEL_LOG_ERROR_DB: the exponent, and a
 * polynomial of the mantissa. */
static inline float decibels(float value)
{
    union {
        float value;
        uint32_t bits;
    } number = {value};
    float exponent = (float)(int32_t)(number.bits >> 23);
    number.bits = (number.bits & 0x007FFFFFu) | 0x3F800000u;
    float mantissa = number.value; /* 1 to 2 */
    float sum = LOGMEL_LOG_4;
    sum = sum * mantissa + LOGMEL_LOG_3;
    sum = sum * mantissa + LOGMEL_LOG_2;
    sum = sum * mantissa + LOGMEL_LOG_1;
    sum = sum * mantissa + LOGMEL_LOG_0;
    return exponent * LOGMEL_LOG_PER_OCTAVE + sum;
}

/* Sum the power of each band and take its logarithm; `scale` turns it into that of full scale 1. */
static void sum_bands(const void *image, float scale, float *db)
{
    const image_band_t *band = image_band_table(image), *end = band + image_bands(image);
    const float *weight = image_bank(image);
    float floor = image_floor_power(image);
    for (; band != end; band++) {
        const float *bin = power + band->first, *last = bin + band->count;
        float sum = 0.0f;
        while (bin != last)
            sum += *bin++ * *weight++;
        sum *= scale;
        *db++ = decibels(sum > floor ? sum : floor);
    }
}

/* Power of the tapered frame, and its bands; full scale is 1 / sqrt(scale). */
static void finish_f32(const void *image, uint32_t window, float scale, float *db)
{
    uint32_t points = image_fft(image);
    for (uint32_t i = window; i < points; i++)
        frame.f32[i] = 0.0f;
    fft_power_f32(frame.f32, work.f32, power, points);
    sum_bands(image, scale, db);
}

void logmel_frame_f32(const void *image, const int16_t *samples, float *db)
{
    const float *taper = image_taper(image);
    uint32_t window = image_window(image);
    for (uint32_t i = 0; i < window; i++)
        frame.f32[i] = (float)samples[i] * taper[i];
    finish_f32(image, window, 1.0f / (32768.0f * 32768.0f), db);
}

void logmel_frame_of_floats(const void *image, const float *samples, float *db)
{
    const float *taper = image_taper(image);
    uint32_t window = image_window(image);
    for (uint32_t i = 0; i < window; i++)
        frame.f32[i] = samples[i] * taper[i];
    finish_f32(image, window, 1.0f, db);
}

/* The taper in q15, made again where the image is another one. */
static const int16_t *taper_q15(const void *image, uint32_t window)
{
    static int16_t taper[FFT_MOST];
    static const void *made_of;
    static uint32_t crc;
    if (made_of != image || crc != image_word(image, IMAGE_WORD_CRC)) {
        const float *exact = image_taper(image);
        for (uint32_t i = 0; i < window; i++)
            taper[i] = (int16_t)(exact[i] * 32767.0f + 0.5f);
        made_of = image;
        crc = image_word(image, IMAGE_WORD_CRC);
    }
    return taper;
}

/* 2 to a whole power from -126 to 127. */
static inline float power_of_two(int32_t exponent)
{
    union {
        uint32_t bits;
        float value;
    } number = {(uint32_t)(exponent + 127) << 23};
    return number.value;
}

void logmel_frame_q15(const void *image, const int16_t *samples, float *db)
{
    uint32_t window = image_window(image), points = image_fft(image);
    const int16_t *taper = taper_q15(image, window);
    uint32_t used = 1 << 14; /* every bit that a magnitude uses, and one that none need be below */
    for (uint32_t i = 0; i < window; i++) {
        int32_t product = samples[i] * taper[i];
        frame.q30[i] = product;
        used |= (uint32_t)(product ^ (product >> 31));
    }
    /* As loud as the FFT allows: 14 bits and the sign. The taper comes first, or a click at a
     * frame's end, which it takes away, would leave the rest few bits. */
    int32_t down = 18 - __builtin_clz(used), half = 1 << (down - 1);
    for (uint32_t i = 0; i < window; i++)
        frame.q15[i] = (int16_t)((frame.q30[i] + half) >> down);
    for (uint32_t i = window; i < points; i++)
        frame.q15[i] = 0;
    fft_power_q15(frame.q15, work.q15, power, points);
    int32_t halvings = 30 - __builtin_clz(points); /* the FFT has divided by points / 2 */
    sum_bands(image, power_of_two(2 * (halvings + down - 30)), db);
}
