/* The student: an int8 network, run from its image (image.h) where that lies. */
#ifndef KILOHEAR_STUDENT_H
#define KILOHEAR_STUDENT_H

#include <stdint.h>

enum {
    STUDENT_OK = 0,
    STUDENT_NO_IMAGE = -1,    /* the magic word isn't there */
    STUDENT_BAD_SIZE = -2,    /* larger than its room, or than itself */
    STUDENT_BAD_CRC = -3,     /* changed since it was made */
    STUDENT_BAD_LAYOUT = -4,  /* a block lies outside, or a text has no end */
    STUDENT_BAD_NETWORK = -5, /* layers that don't follow from each other, or that aren't known */
    STUDENT_NO_ARENA = -6,    /* the arena is too small, or not on a multiple of 4 bytes */
};

/* Verify an image of at most `room` bytes, on a multiple of 4 bytes.
 *
 * Returns 0 or one of the reasons above; nothing else here may be called with an image that has
 * not passed. */
int student_check(const void *image, uint32_t room);

/* Quantise one frame of features: dB (bands) -> int8 (bands). */
void student_quantise(const void *image, const float *db, int8_t *features);

/* Run the network: features (frames, bands) -> logits (classes).
 *
 * The arena, on a multiple of 4 bytes, holds `image_arena_bytes` or more; what was in it is lost.
 * Returns 0 or STUDENT_NO_ARENA. */
int student_run(const void *image, const int8_t *features, uint8_t *arena, uint32_t arena_bytes,
                int8_t *logits);

/* Softmax of the logits in float32: logits (classes) -> probabilities (classes). */
void student_softmax(const void *image, const int8_t *logits, float *probabilities);

#endif
