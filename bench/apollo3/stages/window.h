/* From samples at the student's rate to the feature map of a window: frames start anew with each
 * window, a frame's log-mel is computed as soon as its last sample is there, and no more samples
 * than a frame has are kept. */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { WINDOW_FRAME_MAX = 512, WINDOW_BANDS_MAX = 128, WINDOW_FEATURES_MAX = 32768 };

/* True where the buffers here are large enough for the image. */
bool window_fits(const void *image);

/* Begin with the first window; its features (frames, bands) go to `features`. What samples were
   kept of another stream is overwritten. */
void window_reset(const void *image, bool q15, int8_t *features);

/* Take samples until a window is complete or all are taken; return how many. `features_done`: the
   last frame of the window was among them. */
uint32_t window_push(const int16_t *samples, uint32_t count, bool *features_done);

/* Log-mel of one frame: samples (window) -> dB (bands), in float32 or q15. */
void window_logmel(const void *image, bool q15, const int16_t *samples, float *db);

#endif
