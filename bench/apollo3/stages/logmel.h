/* Log-mel features of one frame, by the tables of a student image. */
#ifndef KILOHEAR_LOGMEL_H
#define KILOHEAR_LOGMEL_H

#include <stdint.h>

/* 10 log10(max(band power, floor)) of a frame of int16 samples, full scale 32768 = 1.0, in float32.
 *
 * The image has passed student_check; its FFT is one that fft_takes. The scratch memory is static:
 * one frame at a time. */
void logmel_frame_f32(const void *image, const int16_t *samples /* (window,) */,
                      float *db /* (bands,) */);

/* The same with taper and FFT in q15: the frame is scaled up to full scale first, so that its
 * errors are relative to its own level. Bands far below a frame's loudest ones get the noise of
 * 16-bit arithmetic; tests/bench/apollo3/test_logmel.py states how much. */
void logmel_frame_q15(const void *image, const int16_t *samples /* (window,) */,
                      float *db /* (bands,) */);

/* As logmel_frame_f32, for samples that are float32 with full scale 1.0. */
void logmel_frame_of_floats(const void *image, const float *samples /* (window,) */,
                            float *db /* (bands,) */);

#endif
