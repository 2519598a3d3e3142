/* Halve the rate of a stream of int16 samples. */
#ifndef KILOHEAR_DECIMATOR_H
#define KILOHEAR_DECIMATOR_H

#include <stdint.h>

enum { DECIMATOR_TAPS = 136, DECIMATOR_CHUNK = 256 };

/* What the filter still needs of the stream; the first DECIMATOR_TAPS - 2 samples are silence. */
typedef struct {
    uint32_t filled;
    _Alignas(4) int16_t samples[DECIMATOR_TAPS + DECIMATOR_CHUNK];
} decimator_t;

/* Forget the stream and overwrite what is kept of it; needed before the first push, too. */
void decimator_reset(decimator_t *decimator);

/* Take `count` samples; write the outputs they complete, and return how many: (count + 1) / 2 at
 * most. Flat within 0.1 dB to 0.9 of the new Nyquist frequency, aliases 80 dB down; an output lags
 * by 67.5 input samples. Sums are exact, then rounded and saturated; block sizes change no bit. */
uint32_t decimator_push(decimator_t *decimator, const int16_t *in /* (count,) */, uint32_t count,
                        int16_t *out);

#endif
