/* Real FFT of 32, 64, 128, 256 or 512 points, in float32 and in q15. */
#ifndef KILOHEAR_FFT_H
#define KILOHEAR_FFT_H

#include <stdint.h>

enum { FFT_LEAST = 32, FFT_MOST = 512, FFT_MOST_BINS = FFT_MOST / 2 + 1 };

typedef struct {
    float re, im;
} complex_f32;

typedef struct {
    int16_t re, im;
} complex_q15;

/* True where the FFTs below take this many points. */
static inline int fft_takes(uint32_t points)
{
    return points >= FFT_LEAST && points <= FFT_MOST && (points & (points - 1)) == 0;
}

/* Spectrum of a real signal: sum of signal[n] exp(-2 pi i k n / points), unscaled.
 * Nothing happens where fft_takes(points) is false. */
void fft_f32(const float *signal,   /* (points,) */
             complex_f32 *spectrum, /* (points / 2 + 1,), not overlapping the signal */
             uint32_t points);

/* Squared magnitude of that spectrum. */
void fft_power_f32(const float *signal, /* (points,) */
                   complex_f32 *work,   /* (points / 2,) */
                   float *power,        /* (points / 2 + 1,) */
                   uint32_t points);

/* Spectrum in q15, times 2 / points. Samples lie within half scale, -16383 to 16383: then nothing
 * can overflow. */
void fft_q15(const int16_t *signal, /* (points,), on a multiple of 4 bytes */
             complex_q15 *spectrum, /* (points / 2 + 1,), likewise, not overlapping the signal */
             uint32_t points);

/* Squared magnitude of that spectrum, full scale 32768. */
void fft_power_q15(const int16_t *signal, /* (points,), on a multiple of 4 bytes */
                   complex_q15 *work,     /* (points / 2,), likewise */
                   float *power,          /* (points / 2 + 1,) */
                   uint32_t points);

/* The paper's workload: one float32 FFT of each whole stretch of `points` samples, with no taper.
 * Returns the sum of the power of all bins 0..points / 2, full scale 32768: something to check. */
float fft_block(const int16_t *samples, /* (count,) */
                uint32_t count, uint32_t points);

#endif
