/* The student: an int8 network, run from its image where that lies.
 *
 * The arithmetic is defined in sdk/kilohear/student_image.py; a Cortex-M4's DSP instructions and
 * portable C give the same bits. Maps are never held whole: as soon as a block of the network has
 * the three rows that a row of its output needs, it makes that row and hands it to the next block.
 *
 * A row waiting at a block ("ring") holds v = q - zero as int16, so that the padding is 0, and
 * lies as the depthwise kernel reads it: for each channel and each two columns one word of each of
 * the three rows. Column x stands at x + 1, behind one column of padding. What a matrix kernel
 * reads ("patches") lies, for each two columns and each two inputs, as one word of either column.
 */
#include "student.h"

#include <stdbool.h>
#include <stddef.h>

#include "image.h"

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#define HAS_DSP 1
#include <arm_acle.h>
#endif

enum { STEM = 1, DEPTHWISE, POINTWISE, POOL, DENSE };

enum {
    MOST_LAYERS = 64,
    MOST_BLOCKS = (MOST_LAYERS - 3) / 2,
    MOST_FRAMES = 4096,
    MOST_COLUMNS = 512,
    MOST_CHANNELS = 512,
    MOST_CLASSES = 1024,
    MOST_STRIDE = 4,
    LEAST_FFT = 32,
    MOST_FFT = 512,
    MAP_ZERO = -128,
    ARENA_SLACK = 16, /* the depthwise kernel reads a pair of columns past a row's end */
};

typedef struct {
    uint32_t kind;
    uint32_t channels, channels_out;
    uint32_t rows, columns;
    uint32_t rows_out, columns_out;
    uint32_t stride; /* over rows | over columns << 16 */
    int32_t in_zero, out_zero;
    uint32_t weights, bias, multiplier; /* offsets */
    uint32_t short_cut;                 /* offset; 0: none */
    uint32_t clamp;
    uint32_t reserved;
} layer_t;

/* Rows are written by halves and read by words. */
typedef uint32_t __attribute__((may_alias)) word_t;
typedef int16_t __attribute__((may_alias)) half_t;

/* One run on its way through the blocks. */
typedef struct {
    const uint8_t *image;
    const layer_t *layers;
    uint32_t blocks;
    uint8_t *rings[MOST_BLOCKS + 1];    /* the last one is the pool's: a single row */
    uint32_t taken[MOST_BLOCKS + 1];    /* rows, the padding at the top counted */
    uint32_t given[MOST_BLOCKS + 1];    /* rows */
    int32_t *loudest, *total;           /* of the pool's rows (channels) */
    word_t *patches;
} run_t;

/* Where a row lies, two columns of a channel at a time. */
typedef struct {
    uint8_t *first;        /* channel 0, column 0 and padding */
    uint32_t next_channel; /* bytes */
    uint32_t next_columns; /* bytes from two columns to the next two */
} row_t;

static uint32_t pad4(uint32_t count)
{
    return (count + 3u) & ~3u;
}

/* The inputs that one output of a matrix sums, padded for its kernel. */
static uint32_t padded_inputs(const layer_t *layer)
{
    return layer->kind == STEM ? 16u : (layer->channels + 7u) & ~7u;
}

/* Words of one channel's row in a ring. */
static uint32_t words_of(const layer_t *layer)
{
    return (layer->columns + 1u) / 2u + 1u;
}

/* Rows that wait at a block, and at the pool. */
static uint32_t depth_of(const layer_t *layer)
{
    return layer->kind == POOL ? 1u : 3u;
}

static uint32_t ring_bytes(const layer_t *layer)
{
    return 4u * depth_of(layer) * words_of(layer) * pad4(layer->channels);
}

static const layer_t *layers_of(const void *image)
{
    return (const layer_t *)image_block(image, IMAGE_WORD_LAYERS);
}

/* ---- Arithmetic ---- */

/* The rounded high word of a product. */
static inline int32_t scaled(int32_t sum, int32_t multiplier)
{
#if HAS_DSP
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(sum), "r"(multiplier));
    return high;
#else
    return (int32_t)(((int64_t)sum * multiplier + 0x80000000ll) >> 32);
#endif
}

static inline int32_t limited(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* From 0 to 255: the clamp to int8 of a map, whose zero is -128. */
static inline int32_t limited_to_map(int32_t value)
{
#if HAS_DSP
    return (int32_t)__usat(value, 8);
#else
    return limited(value, 0, 255);
#endif
}

#if !HAS_DSP
static inline int32_t low_of(uint32_t pair)
{
    return (int16_t)(pair & 0xFFFFu);
}

static inline int32_t high_of(uint32_t pair)
{
    return (int16_t)(pair >> 16);
}

/* Wraps around as the processor does. */
static inline int32_t plus(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* low * low + high * high + sum */
static inline int32_t multiply_add(uint32_t a, uint32_t b, int32_t sum)
{
    return plus(plus(sum, low_of(a) * low_of(b)), high_of(a) * high_of(b));
}

static inline int32_t multiply_low_high(uint32_t a, uint32_t b, int32_t sum)
{
    return plus(sum, low_of(a) * high_of(b));
}

static inline int32_t multiply_high_low(uint32_t a, uint32_t b, int32_t sum)
{
    return plus(sum, high_of(a) * low_of(b));
}

/* Bytes 0 and 2 as two int16. */
static inline uint32_t even_bytes(uint32_t bytes)
{
    uint32_t low = (uint32_t)(int32_t)(int8_t)(bytes & 0xFFu);
    uint32_t high = (uint32_t)(int32_t)(int8_t)((bytes >> 16) & 0xFFu);
    return (low & 0xFFFFu) | high << 16;
}

static inline uint32_t odd_bytes(uint32_t bytes)
{
    return even_bytes(bytes >> 8);
}
#endif

/* ---- Kernels ---- */

/* A matrix's work for four channels out and one row: what the kernel in assembler counts on.
 * Sums are of two columns x and four channels c, in the order c0x0, c0x1, c1x0... */
typedef struct {
    const word_t *patch;         /*  0: (columns / 2, inputs, 2), inputs a multiple of 8 */
    const uint32_t *weights;     /*  4: (inputs, 4) */
    const uint32_t *weights_end; /*  8 */
    const int32_t *bias;         /* 12: (4) */
    const int32_t *multiplier;   /* 16: (4) */
    uint8_t *at;                 /* 20: where the first two columns' pair of words lies */
    uint8_t *at_end;             /* 24 */
    uint32_t next_channel;       /* 28: bytes */
    uint32_t next_columns;       /* 32: bytes from two columns to the next two */
    const uint8_t *added;        /* 36: of a short cut: where its first two columns lie in a ring */
    uint32_t added_next_channel; /* 40: bytes */
    const int32_t *short_cut;    /* 44: (4) */
} quad_t;

#if HAS_DSP
_Static_assert(offsetof(quad_t, at_end) == 24 && offsetof(quad_t, short_cut) == 44, "as below");

/* In assembler, as no compiler keeps eight sums and their operands in 14 registers: the sums in r0
 * to r7, from the quad_t at lr. Its weights_end lies at sp, the rest of the stack is the caller's. */
#define KERNEL static __attribute__((naked, noipa))
#define ENTER                     \
    "push {r4-r11, lr}\n\t"       \
    "ldr r3, [r0, #8]\n\t"        \
    "push {r0, r1, r2, r3}\n\t"   \
    "str r3, [sp]\n\t"            \
    "str r0, [sp, #4]\n\t"        \
    "str r1, [sp, #8]\n\t"        \
    "mov lr, r0\n"
#define LEAVE         \
    "add sp, #16\n\t" \
    "pop {r4-r11, pc}"

#define BIAS                  \
    "ldr r8, [lr, #12]\n\t"   \
    "ldr r0, [r8]\n\t"        \
    "ldr r2, [r8, #4]\n\t"    \
    "ldr r4, [r8, #8]\n\t"    \
    "ldr r6, [r8, #12]\n\t"   \
    "mov r1, r0\n\t"          \
    "mov r3, r2\n\t"          \
    "mov r5, r4\n\t"          \
    "mov r7, r6\n\t"

/* A channel's short cut: r8 at the ring, r9 from channel to channel, r10 at its factor. */
#define ADD(x0, x1)                        \
    "ldrsh r12, [r8, #2]\n\t"              \
    "ldr r11, [r10], #4\n\t"               \
    "mla " x0 ", r12, r11, " x0 "\n\t"     \
    "ldrsh r12, [r8, #12]\n\t"             \
    "add r8, r9\n\t"                       \
    "mla " x1 ", r12, r11, " x1 "\n\t"
#define SHORT_CUT              \
    "ldrd r8, r9, [lr, #36]\n\t" \
    "ldr r10, [lr, #44]\n\t"   \
    "add r11, r8, #12\n\t"     \
    "str r11, [lr, #36]\n\t"   \
    ADD("r0", "r1") ADD("r2", "r3") ADD("r4", "r5") ADD("r6", "r7")

/* 15 instructions for two inputs, that is for 16 multiply-accumulates. */
#define TWO_INPUTS                 \
    "ldrd r10, r11, [r8], #8\n\t"  \
    "ldr r12, [r9], #4\n\t"        \
    "sxtb16 lr, r12, ror #8\n\t"   \
    "sxtb16 r12, r12\n\t"          \
    "smlad r0, r10, r12, r0\n\t"   \
    "smlad r1, r11, r12, r1\n\t"   \
    "smlad r2, r10, lr, r2\n\t"    \
    "smlad r3, r11, lr, r3\n\t"    \
    "ldr r12, [r9], #4\n\t"        \
    "sxtb16 lr, r12, ror #8\n\t"   \
    "sxtb16 r12, r12\n\t"          \
    "smlad r4, r10, r12, r4\n\t"   \
    "smlad r5, r11, r12, r5\n\t"   \
    "smlad r6, r10, lr, r6\n\t"    \
    "smlad r7, r11, lr, r7\n\t"
/* Leaves r8 at the next patch, and r9 to r12 and lr free. */
#define PRODUCTS                                         \
    "ldrd r8, r9, [lr]\n"                                \
    "2:\n\t" TWO_INPUTS TWO_INPUTS TWO_INPUTS TWO_INPUTS \
    "ldr r12, [sp]\n\t"                                  \
    "cmp r9, r12\n\t"                                    \
    "bne 2b\n\t"                                         \
    "ldr lr, [sp, #4]\n\t"                               \
    "str r8, [lr]\n\t"

/* Scale, clamp and store the sums, and go on from "1" until the row's end. */
#define STORE(x0, x1)           \
    "strh " x0 ", [r8, #2]\n\t" \
    "strh " x1 ", [r8, r10]\n\t"
#define STORE_AND_GO_ON              \
    "ldrd r12, r8, [lr, #16]\n\t"    \
    "ldrd r9, r10, [r12]\n\t"        \
    "ldrd r11, r12, [r12, #8]\n\t"   \
    "smmulr r0, r0, r9\n\t"          \
    "smmulr r1, r1, r9\n\t"          \
    "smmulr r2, r2, r10\n\t"         \
    "smmulr r3, r3, r10\n\t"         \
    "smmulr r4, r4, r11\n\t"         \
    "smmulr r5, r5, r11\n\t"         \
    "smmulr r6, r6, r12\n\t"         \
    "smmulr r7, r7, r12\n\t"         \
    "ldrd r9, r10, [lr, #28]\n\t"    \
    "usat r0, #8, r0\n\t"            \
    "usat r1, #8, r1\n\t"            \
    "usat r2, #8, r2\n\t"            \
    "usat r3, #8, r3\n\t"            \
    "usat r4, #8, r4\n\t"            \
    "usat r5, #8, r5\n\t"            \
    "usat r6, #8, r6\n\t"            \
    "usat r7, #8, r7\n\t"            \
    "add r11, r8, r10\n\t"           \
    STORE("r0", "r1")                \
    "add r8, r9\n\t"                 \
    STORE("r2", "r3")                \
    "add r8, r9\n\t"                 \
    STORE("r4", "r5")                \
    "add r8, r9\n\t"                 \
    STORE("r6", "r7")                \
    "ldr r12, [lr, #24]\n\t"         \
    "str r11, [lr, #20]\n\t"         \
    "cmp r11, r12\n\t"               \
    "bne 1b\n\t"

/* Write a quad's row of map values; `at` and `patch` move on to the end. */
KERNEL void quad_row(quad_t *quad __attribute__((unused)))
{
    __asm__(ENTER "1:\n\t" BIAS PRODUCTS STORE_AND_GO_ON LEAVE);
}

/* The same with a short cut; `added` moves on too. */
KERNEL void quad_row_with_short_cut(quad_t *quad __attribute__((unused)))
{
    __asm__(ENTER "1:\n\t" BIAS SHORT_CUT PRODUCTS STORE_AND_GO_ON LEAVE);
}

/* Write the sums (8) of a quad's first two columns; `patch` moves on. */
KERNEL void quad_sums(quad_t *quad __attribute__((unused)), int32_t *sums __attribute__((unused)))
{
    __asm__(ENTER BIAS PRODUCTS "ldr r9, [sp, #8]\n\t"
                                "stm r9, {r0-r7}\n\t" LEAVE);
}
#else
static void quad_sums(quad_t *quad, int32_t *sums)
{
    for (uint32_t channel = 0; channel < 4u; channel++)
        sums[2u * channel] = sums[2u * channel + 1u] = quad->bias[channel];
    const uint32_t *end = quad->weights_end;
    for (const uint32_t *weights = quad->weights; weights != end; weights += 2, quad->patch += 2) {
        for (uint32_t channel = 0; channel < 4u; channel++) {
            uint32_t word = weights[channel / 2u];
            uint32_t pair = channel % 2u == 0u ? even_bytes(word) : odd_bytes(word);
            for (uint32_t column = 0; column < 2u; column++) {
                int32_t *sum = sums + 2u * channel + column;
                *sum = multiply_add(quad->patch[column], pair, *sum);
            }
        }
    }
}

static void store_sums(quad_t *quad, const int32_t *sums)
{
    uint8_t *at = quad->at;
    for (uint32_t channel = 0; channel < 4u; channel++, at += quad->next_channel) {
        int32_t x0 = scaled(sums[2u * channel], quad->multiplier[channel]);
        int32_t x1 = scaled(sums[2u * channel + 1u], quad->multiplier[channel]);
        *(half_t *)(void *)(at + 2) = (half_t)limited_to_map(x0);
        *(half_t *)(void *)(at + quad->next_columns) = (half_t)limited_to_map(x1);
    }
    quad->at += quad->next_columns;
}

static void quad_row(quad_t *quad)
{
    while (quad->at != quad->at_end) {
        int32_t sums[8];
        quad_sums(quad, sums);
        store_sums(quad, sums);
    }
}

static void quad_row_with_short_cut(quad_t *quad)
{
    for (; quad->at != quad->at_end; quad->added += 12) {
        int32_t sums[8];
        quad_sums(quad, sums);
        const uint8_t *from = quad->added;
        for (uint32_t channel = 0; channel < 4u; channel++, from += quad->added_next_channel) {
            uint32_t by = (uint32_t)quad->short_cut[channel];
            uint32_t v0 = (uint32_t) * (const half_t *)(const void *)(from + 2);
            uint32_t v1 = (uint32_t) * (const half_t *)(const void *)(from + 12);
            sums[2u * channel] = plus(sums[2u * channel], (int32_t)(v0 * by));
            sums[2u * channel + 1u] = plus(sums[2u * channel + 1u], (int32_t)(v1 * by));
        }
        store_sums(quad, sums);
    }
}
#endif

/* The work for a matrix's first four channels out; where its outputs go is left open. */
static void begin_quads(const run_t *run, const layer_t *layer, quad_t *quad)
{
    quad->patch = run->patches;
    quad->weights = (const uint32_t *)(const void *)(run->image + layer->weights);
    quad->weights_end = quad->weights + padded_inputs(layer); /* of four channels, a byte each */
    quad->bias = (const int32_t *)(const void *)(run->image + layer->bias);
    quad->multiplier = (const int32_t *)(const void *)(run->image + layer->multiplier);
}

/* The same for the next four. */
static void next_quad(const run_t *run, const layer_t *layer, quad_t *quad)
{
    quad->patch = run->patches;
    quad->weights = quad->weights_end;
    quad->weights_end = quad->weights + padded_inputs(layer);
    quad->bias += 4;
    quad->multiplier += 4;
}

/* One row of a stem or a pointwise layer: patches (columns out / 2, inputs, 2) -> target; with
 * what a short cut adds, or NULL. */
static void multiply_row(const run_t *run, const layer_t *layer, const row_t *target,
                         const row_t *added)
{
    uint32_t pairs = (layer->columns_out + 1u) / 2u;
    quad_t quad;
    begin_quads(run, layer, &quad);
    quad.next_channel = target->next_channel;
    quad.next_columns = target->next_columns;
    uint8_t *row = target->first;
    for (uint32_t channel = 0; channel < layer->channels_out; channel += 4u) {
        quad.at = row;
        quad.at_end = row + pairs * target->next_columns;
        if (added == NULL) {
            quad_row(&quad);
        } else {
            quad.added = added->first + channel * added->next_channel;
            quad.added_next_channel = added->next_channel;
            quad.short_cut = (const int32_t *)(const void *)(run->image + layer->short_cut) + channel;
            quad_row_with_short_cut(&quad);
        }
        next_quad(run, layer, &quad);
        row += 4u * target->next_channel;
    }
}

/* A depthwise layer's work for one row: what the kernel in assembler counts on. */
typedef struct {
    const word_t *row;           /*  0: the channel's rows in the ring (columns / 2 + 1, 3) */
    half_t *out;                 /*  4: the channel's place in the patches */
    const uint32_t *weights;     /*  8: (3) */
    const int32_t *bias;         /* 12 */
    const int32_t *multiplier;   /* 16 */
    uint32_t kernel_rows[3];     /* 20: which row of the kernel meets each of the ring's; bytes */
    uint32_t next_channel;       /* 32: bytes in the ring */
    uint32_t next_out;           /* 36: bytes from two columns to the next two */
    uint32_t out_bytes;          /* 40: the same for all columns */
    const uint32_t *weights_end; /* 44: of all channels */
    uint32_t next_place;         /* 48: bytes from this channel's place to the next one's: 2, 6 */
} planes_t;

#if HAS_DSP
_Static_assert(offsetof(planes_t, kernel_rows) == 20 && offsetof(planes_t, next_place) == 48,
               "as below");

/* A channel: the kernel's rows as (w0, w1), (w1, w2) in r4 to r9, its ring at r0, its output at r1,
 * its multiplier in r12 and bias in lr. On the stack: next_out, the output's end, the planes_t. */
#define BEGIN_CHANNEL            \
    "ldr r1, [r0, #8]\n\t"       \
    "ldrd r2, r3, [r0, #20]\n\t" \
    "ldr r10, [r0, #28]\n\t"     \
    "ldr r4, [r1, r2]\n\t"       \
    "ldr r6, [r1, r3]\n\t"       \
    "ldr r8, [r1, r10]\n\t"      \
    "add r1, #12\n\t"            \
    "str r1, [r0, #8]\n\t"       \
    "sxtb16 r5, r4, ror #8\n\t"  \
    "sxtb16 r4, r4\n\t"          \
    "sxtb16 r7, r6, ror #8\n\t"  \
    "sxtb16 r6, r6\n\t"          \
    "sxtb16 r9, r8, ror #8\n\t"  \
    "sxtb16 r8, r8\n\t"          \
    "ldrd r2, r3, [r0, #12]\n\t" \
    "ldr lr, [r2], #4\n\t"       \
    "ldr r12, [r3], #4\n\t"      \
    "strd r2, r3, [r0, #12]\n\t" \
    "ldrd r10, r1, [r0]\n\t"     \
    "ldr r11, [r0, #32]\n\t"     \
    "ldr r2, [r0, #48]\n\t"      \
    "add r11, r10\n\t"           \
    "add r3, r1, r2\n\t"         \
    "eor r2, #4\n\t"             \
    "strd r11, r3, [r0]\n\t"     \
    "str r2, [r0, #48]\n\t"      \
    "ldr r2, [r0, #40]\n\t"      \
    "add r2, r1\n\t"             \
    "str r2, [sp, #4]\n\t"       \
    "mov r0, r10\n"
#define END_COLUMNS             \
    "smmulr r2, r2, r12\n\t"    \
    "smmulr r3, r3, r12\n\t"    \
    "usat r2, #8, r2\n\t"       \
    "usat r3, #8, r3\n\t"       \
    "strh r2, [r1]\n\t"         \
    "strh r3, [r1, #4]\n\t"     \
    "ldrd r10, r11, [sp]\n\t"   \
    "add r1, r10\n\t"           \
    "cmp r1, r11\n\t"           \
    "bne 2b\n\t"
#define END_CHANNEL        \
    "ldr r0, [sp, #8]\n\t" \
    "ldr r1, [r0, #8]\n\t" \
    "ldr r2, [r0, #44]\n\t" \
    "cmp r1, r2\n\t"       \
    "bne 1b\n\t"
#define ENTER_PLANES            \
    "push {r4-r11, lr}\n\t"     \
    "ldr r1, [r0, #36]\n\t"     \
    "mov r2, r0\n\t"            \
    "push {r0, r1, r2, r3}\n\t" \
    "str r1, [sp]\n"

/* A row of the kernel over four columns in r10, r11. */
#define STRIDE_1(w01, w12, sum0, sum1)      \
    "smlad r2, r10, " w01 ", " sum0 "\n\t"  \
    "smlatb r3, r10, " w01 ", " sum1 "\n\t" \
    "smlabt r2, r11, " w12 ", r2\n\t"       \
    "smlad r3, r11, " w12 ", r3\n\t"

KERNEL void planes_at_stride_1(planes_t *planes __attribute__((unused)))
{
    __asm__(ENTER_PLANES "1:\n\t" BEGIN_CHANNEL "2:\n\t"
            "ldr r10, [r0], #12\n\t"
            "ldr r11, [r0]\n\t"
            STRIDE_1("r4", "r5", "lr", "lr")
            "ldr r10, [r0, #-8]\n\t"
            "ldr r11, [r0, #4]\n\t"
            STRIDE_1("r6", "r7", "r2", "r3")
            "ldr r10, [r0, #-4]\n\t"
            "ldr r11, [r0, #8]\n\t"
            STRIDE_1("r8", "r9", "r2", "r3")
            END_COLUMNS END_CHANNEL LEAVE);
}

/* A row of the kernel over five columns: in r10, r11 and at r0 + next. */
#define STRIDE_2(w01, w12, next, sum0, sum1)   \
    "smlad r2, r10, " w01 ", " sum0 "\n\t"     \
    "ldr r10, [r0, #" next "]\n\t"             \
    "smlabt r2, r11, " w12 ", r2\n\t"          \
    "smlad r3, r11, " w01 ", " sum1 "\n\t"     \
    "smlabt r3, r10, " w12 ", r3\n\t"

KERNEL void planes_at_stride_2(planes_t *planes __attribute__((unused)))
{
    __asm__(ENTER_PLANES "1:\n\t" BEGIN_CHANNEL "2:\n\t"
            "ldr r10, [r0], #24\n\t"
            "ldr r11, [r0, #-12]\n\t"
            STRIDE_2("r4", "r5", "0", "lr", "lr")
            "ldr r10, [r0, #-20]\n\t"
            "ldr r11, [r0, #-8]\n\t"
            STRIDE_2("r6", "r7", "4", "r2", "r3")
            "ldr r10, [r0, #-16]\n\t"
            "ldr r11, [r0, #-4]\n\t"
            STRIDE_2("r8", "r9", "8", "r2", "r3")
            END_COLUMNS END_CHANNEL LEAVE);
}
#else
static void planes_at(planes_t *planes, uint32_t stride)
{
    for (; planes->weights != planes->weights_end; planes->weights += 3) {
        half_t *out = planes->out;
        const word_t *pair = planes->row;
        for (uint32_t done = 0; done < planes->out_bytes; done += planes->next_out) {
            const word_t *at = pair;
            int32_t x0 = *planes->bias, x1 = *planes->bias;
            for (uint32_t row = 0; row < 3u; row++, at++) {
                uint32_t weights = planes->weights[planes->kernel_rows[row] / 4u];
                uint32_t w01 = even_bytes(weights), w12 = odd_bytes(weights);
                x0 = multiply_low_high(at[3], w12, multiply_add(at[0], w01, x0));
                if (stride == 1u)
                    x1 = multiply_add(at[3], w12, multiply_high_low(at[0], w01, x1));
                else
                    x1 = multiply_low_high(at[6], w12, multiply_add(at[3], w01, x1));
            }
            out[0] = (half_t)limited_to_map(scaled(x0, *planes->multiplier));
            out[2] = (half_t)limited_to_map(scaled(x1, *planes->multiplier));
            out += planes->next_out / 2u;
            pair += 3u * stride;
        }
        planes->row += planes->next_channel / 4u;
        planes->out += planes->next_place / 2u;
        planes->next_place ^= 4u;
        planes->bias++;
        planes->multiplier++;
    }
}

static void planes_at_stride_1(planes_t *planes)
{
    planes_at(planes, 1);
}

static void planes_at_stride_2(planes_t *planes)
{
    planes_at(planes, 2);
}
#endif

/* One row of a depthwise layer: ring (channels, columns / 2 + 1, 3) -> patches; `oldest` of the
 * ring's rows meets the kernel's first. */
static void depthwise_row(const run_t *run, const layer_t *layer, const uint8_t *ring,
                          uint32_t oldest)
{
    planes_t planes = {
        .row = (const word_t *)(const void *)ring,
        .out = (half_t *)(void *)run->patches,
        .weights = (const uint32_t *)(const void *)(run->image + layer->weights),
        .bias = (const int32_t *)(const void *)(run->image + layer->bias),
        .multiplier = (const int32_t *)(const void *)(run->image + layer->multiplier),
        .kernel_rows = {(3u - oldest) % 3u * 4u, (4u - oldest) % 3u * 4u, (5u - oldest) % 3u * 4u},
        .next_channel = 12u * words_of(layer),
        .next_out = 4u * padded_inputs(layer),
        .out_bytes = 4u * padded_inputs(layer) * ((layer->columns_out + 1u) / 2u),
        .next_place = 2,
    };
    planes.weights_end = planes.weights + 3u * layer->channels;
    if ((layer->stride & 0xFFFFu) == 1u)
        planes_at_stride_1(&planes);
    else
        planes_at_stride_2(&planes);
}

/* One row of a stem's kernel over one column: v to the left, here and to the right, and a 0. */
static inline void stem_taps(word_t *out, const int8_t *at, int32_t zero, bool has_left,
                             bool has_right)
{
    int32_t left = has_left ? at[-1] - zero : 0, right = has_right ? at[1] - zero : 0;
    out[0] = ((uint32_t)left & 0xFFFFu) | (uint32_t)(at[0] - zero) << 16;
    out[2] = (uint32_t)right & 0xFFFFu;
}

/* Patches of one row of the stem: features (frames, bands) -> patches (columns out / 2, 16, 2). */
static void stem_patches(const run_t *run, const layer_t *layer, const int8_t *features,
                         uint32_t row_out)
{
    uint32_t down = layer->stride & 0xFFFFu, right = layer->stride >> 16;
    uint32_t last = layer->columns_out - 1u, pair = padded_inputs(layer);
    int32_t zero = layer->in_zero;
    for (uint32_t row = 0; row < 3u; row++) {
        uint32_t frame = row_out * down + row - 1u; /* wraps around above the first */
        word_t *out = run->patches + 4u * row;
        uint32_t step = 1; /* from the first of two columns to the second, then to the next two */
        if (frame >= layer->rows) {
            for (uint32_t column = 0; column <= last; column++, out += step, step = pair - step)
                out[0] = out[2] = 0;
            continue;
        }
        const int8_t *at = features + frame * layer->columns;
        for (uint32_t column = 0; column < last; column++, at += right) {
            stem_taps(out, at, zero, column != 0u, true);
            out += step;
            step = pair - step;
        }
        stem_taps(out, at, zero, last != 0u, last * right + 1u < layer->columns);
    }
}

/* ---- The way through the blocks ---- */

static const layer_t *depthwise_of(const run_t *run, uint32_t block)
{
    return run->layers + 1u + 2u * block; /* the pool behind the last block */
}

/* Where the next row of a block's input goes; of the pool's for the block behind the last. */
static row_t next_row(const run_t *run, uint32_t block)
{
    const layer_t *layer = depthwise_of(run, block);
    uint32_t depth = depth_of(layer);
    return (row_t){
        .first = run->rings[block] + 4u * (run->taken[block] % depth),
        .next_channel = 4u * depth * words_of(layer),
        .next_columns = 4u * depth,
    };
}

/* Write 0 into the padding that a kernel's odd column has gone over. */
static void clear_padding(const layer_t *layer, const row_t *target)
{
    uint8_t *at = target->first + (layer->columns + 1u) / 2u * target->next_columns;
    for (uint32_t channel = 0; channel < layer->channels; channel++, at += target->next_channel)
        *(half_t *)(void *)at = 0;
}

static void finish_row(const run_t *run, uint32_t block, const row_t *target)
{
    const layer_t *layer = depthwise_of(run, block);
    if (layer->columns % 2u != 0u)
        clear_padding(layer, target);
}

static void pool_row(const run_t *run)
{
    const layer_t *layer = depthwise_of(run, run->blocks);
    const half_t *at = (const half_t *)(const void *)run->rings[run->blocks];
    uint32_t next_channel = 2u * words_of(layer);
    for (uint32_t channel = 0; channel < layer->channels; channel++, at += next_channel) {
        int32_t sum = 0;
        for (uint32_t column = 1; column <= layer->columns; column++)
            sum += at[column];
        run->total[channel] += sum;
        if (sum > run->loudest[channel])
            run->loudest[channel] = sum;
    }
}

static void make_row(run_t *run, uint32_t block)
{
    const layer_t *depthwise = depthwise_of(run, block);
    const layer_t *pointwise = depthwise + 1;
    uint32_t oldest = run->given[block] * (depthwise->stride & 0xFFFFu) % 3u;
    depthwise_row(run, depthwise, run->rings[block], oldest);
    row_t target = next_row(run, block + 1u);
    row_t centre = {
        .first = run->rings[block] + 4u * ((oldest + 1u) % 3u),
        .next_channel = 12u * words_of(depthwise),
    };
    multiply_row(run, pointwise, &target, pointwise->short_cut != 0u ? &centre : NULL);
    finish_row(run, block + 1u, &target);
    run->given[block]++;
}

/* A row has been written for a block: make what can be made of it, down to the pool. */
static void pass_on(run_t *run, uint32_t block)
{
    for (; block < run->blocks; block++) {
        const layer_t *layer = depthwise_of(run, block);
        run->taken[block]++;
        uint32_t needed = run->given[block] * (layer->stride & 0xFFFFu) + 3u;
        if (run->taken[block] < needed || run->given[block] == layer->rows_out)
            return;
        make_row(run, block);
    }
    pool_row(run);
}

/* The padding below a block's last row. */
static void end_rows(run_t *run, uint32_t block)
{
    const layer_t *layer = depthwise_of(run, block);
    row_t target = next_row(run, block);
    uint8_t *at = target.first;
    for (uint32_t i = 0; i < words_of(layer) * layer->channels; i++, at += target.next_columns)
        *(word_t *)(void *)at = 0;
    pass_on(run, block);
}

static void finish(const run_t *run, int8_t *logits)
{
    const layer_t *pool = depthwise_of(run, run->blocks);
    const layer_t *dense = pool + 1;
    const int32_t *multiplier = (const int32_t *)(const void *)(run->image + pool->multiplier);
    half_t *out = (half_t *)(void *)run->patches;
    for (uint32_t channel = 0; channel < pool->channels; channel++) {
        int32_t sum = (int32_t)pool->rows * run->loudest[channel] + run->total[channel];
        int32_t value = limited(scaled(sum, *multiplier), 0, 32767);
        half_t *at = out + 4u * (channel / 2u) + channel % 2u;
        at[0] = (int16_t)value;
        at[2] = 0;
    }
    quad_t quad;
    begin_quads(run, dense, &quad);
    for (uint32_t first = 0; first < dense->channels_out; first += 4u) {
        int32_t sums[8];
        quad_sums(&quad, sums);
        for (uint32_t c = 0; c < 4u && first + c < dense->channels_out; c++) {
            int32_t value = scaled(sums[2u * c], quad.multiplier[c]) + dense->out_zero;
            logits[first + c] = (int8_t)limited(value, -128, 127);
        }
        next_quad(run, dense, &quad);
    }
}

/* Bytes that a network's rows, patches and pool need (`arena_bytes` of the Python module). */
static uint32_t arena_of(const layer_t *layers, uint32_t count)
{
    uint32_t total = 0, widest = 0;
    for (uint32_t i = 0; i < count; i++) {
        const layer_t *layer = layers + i;
        if (layer->kind == DEPTHWISE) {
            total += ring_bytes(layer);
        } else if (layer->kind == POOL) {
            total += ring_bytes(layer) + 8u * pad4(layer->channels);
        } else {
            uint32_t bytes = (layer->columns_out + 1u) / 2u * padded_inputs(layer) * 4u;
            widest = bytes > widest ? bytes : widest;
        }
    }
    return total + widest + ARENA_SLACK;
}

int student_run(const void *image, const int8_t *features, uint8_t *arena, uint32_t arena_bytes,
                int8_t *logits)
{
    if (arena_bytes < image_arena_bytes(image) || (uintptr_t)arena % 4u != 0u)
        return STUDENT_NO_ARENA;
    run_t run = {
        .image = (const uint8_t *)image,
        .layers = layers_of(image),
        .blocks = (image_word(image, IMAGE_WORD_LAYER_COUNT) - 3u) / 2u,
    };
    word_t *words = (word_t *)(void *)arena;
    for (uint32_t i = 0; i < image_arena_bytes(image) / 4u; i++)
        words[i] = 0; /* rows begin with padding, above and beside them */
    uint8_t *next = arena;
    for (uint32_t block = 0; block <= run.blocks; block++) {
        run.rings[block] = next;
        run.taken[block] = block < run.blocks ? 1u : 0u;
        next += ring_bytes(depthwise_of(&run, block));
    }
    uint32_t channels = pad4(depthwise_of(&run, run.blocks)->channels);
    run.loudest = (int32_t *)(void *)next;
    run.total = run.loudest + channels;
    run.patches = (word_t *)(void *)(run.total + channels);

    const layer_t *stem = run.layers;
    for (uint32_t row = 0; row < stem->rows_out; row++) {
        stem_patches(&run, stem, features, row);
        row_t target = next_row(&run, 0);
        multiply_row(&run, stem, &target, NULL);
        finish_row(&run, 0, &target);
        pass_on(&run, 0);
    }
    for (uint32_t block = 0; block < run.blocks; block++)
        end_rows(&run, block);
    finish(&run, logits);
    return STUDENT_OK;
}

/* ---- Before and after the network ---- */

void student_quantise(const void *image, const float *db, int8_t *features)
{
    const float *scale = image_band_scale(image), *shift = image_band_shift(image);
    for (uint32_t band = 0; band < image_bands(image); band++) {
        volatile float product = db[band] * scale[band]; /* rounded: not fused with the sum */
        float value = product + shift[band];
        value += value < 0.0f ? -0.5f : 0.5f;
        /* A NaN becomes the smallest. */
        features[band] = value > 127.0f ? 127 : value > -128.0f ? (int8_t)(int32_t)value : -128;
    }
}

/* e^x for x of 0 or less, within 2e-7 of it. */
static float exponential(float x)
{
    if (!(x > -87.0f))
        return 0.0f;
    int32_t octaves = (int32_t)(x * 1.44269504f - 0.5f);
    float rest = x - (float)octaves * 0.693359375f; /* ln 2 in two parts */
    rest += (float)octaves * 2.12194440e-4f;
    float power = 1.0f + rest * (1.0f + rest * (1.0f / 2 + rest * (1.0f / 6 + rest * (1.0f / 24 +
                  rest * (1.0f / 120 + rest * (1.0f / 720))))));
    union {
        uint32_t word;
        float value;
    } scale = {.word = (uint32_t)(octaves + 127) << 23};
    return power * scale.value;
}

void student_softmax(const void *image, const int8_t *logits, float *probabilities)
{
    uint32_t classes = image_classes(image);
    int32_t most = -128;
    for (uint32_t i = 0; i < classes; i++)
        most = logits[i] > most ? logits[i] : most;
    float total = 0.0f;
    for (uint32_t i = 0; i < classes; i++) {
        probabilities[i] = exponential((float)(logits[i] - most) * image_logit_scale(image));
        total += probabilities[i];
    }
    for (uint32_t i = 0; i < classes; i++)
        probabilities[i] /= total;
}

/* ---- Verification ---- */

/* CRC-32 as zlib's, four bits at a time. */
static uint32_t crc32(const uint8_t *bytes, uint32_t count)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}

static bool is_inside(const void *image, uint32_t offset, uint32_t bytes)
{
    uint32_t size = image_size(image);
    return offset % 4u == 0u && offset >= IMAGE_HEADER_BYTES && offset <= size &&
           bytes <= size - offset;
}

/* Whether `count` texts from an offset on end inside the image. */
static bool has_texts(const void *image, uint32_t offset, uint32_t count)
{
    const char *bytes = (const char *)image;
    if (!is_inside(image, offset, 1u))
        return false;
    for (uint32_t size = image_size(image); offset < size && count > 0u; offset++)
        count -= bytes[offset] == '\0' ? 1u : 0u;
    return count == 0u;
}

static bool has_front_end(const void *image)
{
    uint32_t window = image_window(image), hop = image_hop(image), fft = image_fft(image);
    uint32_t bands = image_bands(image), samples = image_samples(image);
    if (fft < LEAST_FFT || fft > MOST_FFT || (fft & (fft - 1u)) != 0u || window > fft)
        return false;
    if (hop == 0u || hop > window || samples < window || bands == 0u || bands > MOST_COLUMNS)
        return false;
    if (image_frames(image) != 1u + (samples - window) / hop || image_frames(image) > MOST_FRAMES)
        return false;
    if (image_classes(image) == 0u || image_classes(image) > MOST_CLASSES)
        return false;
    if (image_word(image, IMAGE_WORD_COMPRESSION) != 0u || image_rate_hz(image) == 0u)
        return false;
    if (!is_inside(image, image_word(image, IMAGE_WORD_BAND_TABLE), 4u * bands))
        return false;
    const image_band_t *table = image_band_table(image);
    uint32_t weights = 0;
    for (uint32_t band = 0; band < bands; band++) {
        if (table[band].count == 0u || table[band].first + table[band].count > fft / 2u + 1u)
            return false;
        weights += table[band].count;
    }
    return is_inside(image, image_word(image, IMAGE_WORD_TAPER), 4u * window) &&
           is_inside(image, image_word(image, IMAGE_WORD_BANK), 4u * weights) &&
           is_inside(image, image_word(image, IMAGE_WORD_BAND_SCALE), 4u * bands) &&
           is_inside(image, image_word(image, IMAGE_WORD_BAND_SHIFT), 4u * bands) &&
           is_inside(image, image_word(image, IMAGE_WORD_CARD_HASH), IMAGE_HASH_BYTES) &&
           has_texts(image, image_word(image, IMAGE_WORD_LABELS), image_classes(image)) &&
           has_texts(image, image_word(image, IMAGE_WORD_NAME), 2u);
}

/* The kind that a layer has where it stands. */
static uint32_t kind_at(uint32_t index, uint32_t count)
{
    if (index == 0u)
        return STEM;
    if (index + 2u >= count)
        return index + 2u == count ? POOL : DENSE;
    return index % 2u == 1u ? DEPTHWISE : POINTWISE;
}

static bool has_shape(const layer_t *layer)
{
    uint32_t down = layer->stride & 0xFFFFu, right = layer->stride >> 16;
    uint32_t most = layer->kind == STEM ? MOST_STRIDE : layer->kind == DEPTHWISE ? 2u : 1u;
    if (layer->channels == 0u || layer->channels > MOST_CHANNELS || layer->channels_out == 0u)
        return false;
    if (layer->channels_out > (layer->kind == DENSE ? MOST_CLASSES : MOST_CHANNELS))
        return false;
    if (down == 0u || right == 0u || down > most || right > most)
        return false;
    if (layer->kind == DEPTHWISE && down != right)
        return false;
    if ((layer->kind == DEPTHWISE || layer->kind == POOL) &&
        layer->channels_out != layer->channels)
        return false;
    if (layer->kind == POOL)
        return layer->rows_out == 1u && layer->columns_out == 1u;
    return layer->rows_out == (layer->rows - 1u) / down + 1u &&
           layer->columns_out == (layer->columns - 1u) / right + 1u;
}

static bool has_blocks(const void *image, const layer_t *layer)
{
    uint32_t channels_out = pad4(layer->channels_out), weights = padded_inputs(layer) * channels_out;
    if (layer->kind == POOL)
        return is_inside(image, layer->multiplier, 16u);
    if (layer->kind == DEPTHWISE)
        weights = 12u * layer->channels;
    return is_inside(image, layer->weights, weights) &&
           is_inside(image, layer->bias, 4u * channels_out) &&
           is_inside(image, layer->multiplier, 4u * channels_out) &&
           (layer->short_cut == 0u || is_inside(image, layer->short_cut, 4u * channels_out));
}

static bool has_network(const void *image)
{
    uint32_t count = image_word(image, IMAGE_WORD_LAYER_COUNT);
    if (count < 5u || count > MOST_LAYERS || count % 2u == 0u)
        return false;
    if (!is_inside(image, image_word(image, IMAGE_WORD_LAYERS), count * IMAGE_LAYER_BYTES))
        return false;
    const layer_t *layers = layers_of(image);
    layer_t before = {
        .rows_out = image_frames(image),
        .columns_out = image_bands(image),
        .channels_out = 1,
        .out_zero = layers[0].in_zero,
    };
    for (uint32_t i = 0; i < count; i++) {
        const layer_t *layer = layers + i;
        if (layer->kind != kind_at(i, count) || layer->rows != before.rows_out ||
            layer->columns != before.columns_out || layer->channels != before.channels_out ||
            layer->in_zero != before.out_zero)
            return false;
        if (!has_shape(layer) || !has_blocks(image, layer))
            return false;
        int32_t zero = layer->kind == POOL ? 0 : MAP_ZERO;
        if (layer->out_zero != zero && layer->kind != DENSE)
            return false;
        if (layer->out_zero < -128 || layer->out_zero > 127 || layer->in_zero < -128 ||
            layer->in_zero > 127)
            return false;
        if (layer->clamp != (layer->kind == POOL ? 0x7FFF0000u : 0x007FFF80u))
            return false;
        if (layer->short_cut != 0u) {
            /* joins the block's input: the same shape, and a map */
            const layer_t *depthwise = layer - 1;
            if (layer->kind != POINTWISE || (depthwise->stride & 0xFFFFu) != 1u ||
                depthwise->channels != layer->channels_out)
                return false;
        }
        before = *layer;
    }
    return before.channels_out == image_classes(image) &&
           before.out_zero == image_logit_zero(image) &&
           arena_of(layers, count) == image_arena_bytes(image);
}

int student_check(const void *image, uint32_t room)
{
    if ((uintptr_t)image % 4u != 0u || room < IMAGE_HEADER_BYTES ||
        image_word(image, IMAGE_WORD_MAGIC) != IMAGE_MAGIC)
        return STUDENT_NO_IMAGE;
    uint32_t size = image_size(image);
    if (size < IMAGE_HEADER_BYTES || size > room || size % 4u != 0u)
        return STUDENT_BAD_SIZE;
    if (crc32((const uint8_t *)image + 12, size - 12u) != image_word(image, IMAGE_WORD_CRC))
        return STUDENT_BAD_CRC;
    if (!has_front_end(image))
        return STUDENT_BAD_LAYOUT;
    return has_network(image) ? STUDENT_OK : STUDENT_BAD_NETWORK;
}
