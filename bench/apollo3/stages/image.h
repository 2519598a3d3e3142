/* The student image: everything the board needs of one student, read in place.
 *
 * Little-endian; blocks stand on multiples of 4 bytes; offsets count from the image's first byte.
 * The layout and the arithmetic are defined in sdk/kilohear/student_image.py; the words of the
 * header are named here. `student_check` (student.h) must have passed an image before any of these
 * functions looks into it.
 */
#ifndef KILOHEAR_IMAGE_H
#define KILOHEAR_IMAGE_H

#include <stdint.h>

#define IMAGE_MAGIC 0x3153484Bu /* "KHS1" */
#define IMAGE_HEADER_BYTES 128u
#define IMAGE_LAYER_BYTES 64u
#define IMAGE_HASH_BYTES 32u

enum {
    IMAGE_WORD_MAGIC = 0,
    IMAGE_WORD_SIZE = 1,
    IMAGE_WORD_CRC = 2, /* CRC-32 of the bytes from 12 on */
    IMAGE_WORD_RATE_HZ = 3,
    IMAGE_WORD_SAMPLES = 4,
    IMAGE_WORD_FRAME = 5,       /* window | hop << 16, samples */
    IMAGE_WORD_SPECTRUM = 6,    /* fft | bands << 16 */
    IMAGE_WORD_FEATURES = 7,    /* frames | classes << 16 */
    IMAGE_WORD_FLOOR_POWER = 8, /* float32 */
    IMAGE_WORD_COMPRESSION = 9, /* 0: 10 log10(max(power, floor)) */
    IMAGE_WORD_TAPER = 10,
    IMAGE_WORD_BAND_TABLE = 11,
    IMAGE_WORD_BANK = 12,
    IMAGE_WORD_BAND_SCALE = 13,
    IMAGE_WORD_BAND_SHIFT = 14,
    IMAGE_WORD_LABELS = 15,
    IMAGE_WORD_NAME = 16,
    IMAGE_WORD_CARD_HASH = 17,
    IMAGE_WORD_LAYERS = 18,
    IMAGE_WORD_LAYER_COUNT = 19,
    IMAGE_WORD_ARENA_BYTES = 20,
    IMAGE_WORD_LOGIT_SCALE = 21, /* float32 */
    IMAGE_WORD_LOGIT_ZERO = 22,  /* int32 */
};

/* Which DFT bins a mel band sums. */
typedef struct {
    uint16_t first;
    uint16_t count;
} image_band_t;

static inline uint32_t image_word(const void *image, uint32_t index)
{
    return ((const uint32_t *)image)[index];
}

static inline float image_float(const void *image, uint32_t index)
{
    union {
        uint32_t word;
        float value;
    } both = {.word = image_word(image, index)};
    return both.value;
}

/* What the offset in a header word points to. */
static inline const void *image_block(const void *image, uint32_t index)
{
    return (const uint8_t *)image + image_word(image, index);
}

static inline uint32_t image_size(const void *image)
{
    return image_word(image, IMAGE_WORD_SIZE);
}

/* The student's nominal rate. */
static inline uint32_t image_rate_hz(const void *image)
{
    return image_word(image, IMAGE_WORD_RATE_HZ);
}

/* Samples of one window of sound, at the nominal rate. */
static inline uint32_t image_samples(const void *image)
{
    return image_word(image, IMAGE_WORD_SAMPLES);
}

/* Samples of one frame. */
static inline uint32_t image_window(const void *image)
{
    return image_word(image, IMAGE_WORD_FRAME) & 0xFFFFu;
}

/* Samples from one frame to the next. */
static inline uint32_t image_hop(const void *image)
{
    return image_word(image, IMAGE_WORD_FRAME) >> 16;
}

/* Points of the DFT, a frame stands in the first `window` of them. */
static inline uint32_t image_fft(const void *image)
{
    return image_word(image, IMAGE_WORD_SPECTRUM) & 0xFFFFu;
}

static inline uint32_t image_bands(const void *image)
{
    return image_word(image, IMAGE_WORD_SPECTRUM) >> 16;
}

/* Frames of one window of sound. */
static inline uint32_t image_frames(const void *image)
{
    return image_word(image, IMAGE_WORD_FEATURES) & 0xFFFFu;
}

static inline uint32_t image_classes(const void *image)
{
    return image_word(image, IMAGE_WORD_FEATURES) >> 16;
}

/* The power at which the logarithm stops, for samples of full scale 1.0. */
static inline float image_floor_power(const void *image)
{
    return image_float(image, IMAGE_WORD_FLOOR_POWER);
}

/* The frame's taper. (window) */
static inline const float *image_taper(const void *image)
{
    return (const float *)image_block(image, IMAGE_WORD_TAPER);
}

/* The bins of each band. (bands) */
static inline const image_band_t *image_band_table(const void *image)
{
    return (const image_band_t *)image_block(image, IMAGE_WORD_BAND_TABLE);
}

/* The weights of the bins, band after band, for samples of full scale 1.0. (sum of counts) */
static inline const float *image_bank(const void *image)
{
    return (const float *)image_block(image, IMAGE_WORD_BANK);
}

/* With `image_band_shift`: from dB to the network's int8 input. (bands) */
static inline const float *image_band_scale(const void *image)
{
    return (const float *)image_block(image, IMAGE_WORD_BAND_SCALE);
}

static inline const float *image_band_shift(const void *image)
{
    return (const float *)image_block(image, IMAGE_WORD_BAND_SHIFT);
}

/* What follows a NUL-terminated string. */
static inline const char *image_after(const char *text)
{
    while (*text != '\0')
        text++;
    return text + 1;
}

/* The label of a class below `image_classes`, NUL-terminated UTF-8. */
static inline const char *image_label(const void *image, uint32_t index)
{
    const char *label = (const char *)image_block(image, IMAGE_WORD_LABELS);
    while (index-- > 0)
        label = image_after(label);
    return label;
}

/* The bundle's name, NUL-terminated UTF-8. */
static inline const char *image_name(const void *image)
{
    return (const char *)image_block(image, IMAGE_WORD_NAME);
}

/* The bundle's version, NUL-terminated. */
static inline const char *image_version(const void *image)
{
    return image_after(image_name(image));
}

/* SHA-256 of the card's identity. (32) */
static inline const uint8_t *image_card_hash(const void *image)
{
    return (const uint8_t *)image_block(image, IMAGE_WORD_CARD_HASH);
}

/* Bytes that `student_run` needs beside the feature map. */
static inline uint32_t image_arena_bytes(const void *image)
{
    return image_word(image, IMAGE_WORD_ARENA_BYTES);
}

/* A logit is (q - image_logit_zero) * image_logit_scale. */
static inline float image_logit_scale(const void *image)
{
    return image_float(image, IMAGE_WORD_LOGIT_SCALE);
}

static inline int32_t image_logit_zero(const void *image)
{
    return (int32_t)image_word(image, IMAGE_WORD_LOGIT_ZERO);
}

#endif
