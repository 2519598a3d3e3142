/* Runs each kernel on QEMU's mps2-an386 and prints by semihosting how long a timer says it took;
 * with -icount, time is a fixed number of nanoseconds an instruction. Another simulator calls the
 * same cases one by one and counts for itself. */
#include <stdint.h>

#include "decimator.h"
#include "fft.h"
#include "image.h"
#include "logmel.h"
#include "student.h"

#include "cross_check_images.h" /* written by cross_check.py: IMAGES, STUDENTS */

#define CPACR (*(volatile uint32_t *)0xE000ED88)
#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000) /* CMSDK APB timer 0, 25 MHz */
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004)   /* counts down */
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008)

enum { SAMPLES = 1024, FEATURES = 64 * 1024, ARENA = 128 * 1024 };

static int16_t samples[SAMPLES], halved[SAMPLES];
static _Alignas(4) int16_t quiet[FFT_MOST]; /* half scale, for fft_q15 */
static float signal[FFT_MOST], db[FFT_MOST];
static complex_f32 spectrum_f32[FFT_MOST_BINS];
static complex_q15 spectrum_q15[FFT_MOST_BINS];
static decimator_t decimator;
int8_t features[FEATURES], logits[1024]; /* not static, for there may be no students */
_Alignas(4) uint8_t arena[ARENA];

void prepare(void)
{
    uint32_t state = 1;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        state = state * 1664525u + 1013904223u;
        samples[i] = (int16_t)(state >> 16);
        signal[i % FFT_MOST] = samples[i];
        quiet[i % FFT_MOST] = (int16_t)(samples[i] / 4);
    }
    for (uint32_t i = 0; i < FEATURES; i++)
        features[i] = (int8_t)(samples[i % SAMPLES] >> 8);
    decimator_reset(&decimator);
}

#define FFT_CASES(X) X(32) X(64) X(128) X(256) X(512)
#define FFT_CASE(points)                                                                           \
    void case_fft_f32_##points(void)                                                               \
    {                                                                                              \
        fft_f32(signal, spectrum_f32, points);                                                     \
    }                                                                                              \
    void case_fft_q15_##points(void)                                                               \
    {                                                                                              \
        fft_q15(quiet, spectrum_q15, points);                                                      \
    }
#define IMAGE_CASE(name)                                                                           \
    void case_logmel_f32_##name(void)                                                              \
    {                                                                                              \
        logmel_frame_f32(name, samples, db);                                                       \
    }                                                                                              \
    void case_logmel_q15_##name(void)                                                              \
    {                                                                                              \
        logmel_frame_q15(name, samples, db);                                                       \
    }
#define STUDENT_CASE(name)                                                                         \
    void case_student_##name(void)                                                                 \
    {                                                                                              \
        student_run(name, features, arena, ARENA, logits);                                         \
    }

void case_nothing(void)
{
}

void case_decimator(void)
{
    decimator_push(&decimator, samples, SAMPLES, halved);
}

FFT_CASES(FFT_CASE)
IMAGES(IMAGE_CASE)
STUDENTS(STUDENT_CASE)

#define FFT_ROWS(points)                                                                           \
    {"fft_f32_" #points, case_fft_f32_##points}, {"fft_q15_" #points, case_fft_q15_##points},
#define IMAGE_ROWS(name)                                                                           \
    {"logmel_f32_" #name, case_logmel_f32_##name}, {"logmel_q15_" #name, case_logmel_q15_##name},
#define STUDENT_ROWS(name) {"student_" #name, case_student_##name},

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"nothing", case_nothing},
    {"decimator", case_decimator},
    FFT_CASES(FFT_ROWS) IMAGES(IMAGE_ROWS) STUDENTS(STUDENT_ROWS)
};

static uint32_t semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void print(const char *text)
{
    semihost(0x04, text);
}

static void print_number(uint32_t number)
{
    char text[12], *digit = text + sizeof text - 1;
    *digit = '\0';
    do {
        *--digit = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    print(digit);
}

__attribute__((noreturn)) void start(void)
{
    CPACR |= 0xFu << 20; /* the floating-point unit */
    prepare();
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = 1;
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].run(); /* what is made once is made here */
        uint32_t before = TIMER_VALUE;
        cases[i].run();
        uint32_t ticks = before - TIMER_VALUE;
        print(cases[i].name);
        print(" ");
        print_number(ticks);
        print("\n");
    }
    semihost(0x18, (const void *)0x20026); /* the program has ended well */
    for (;;)
        ;
}

extern uint32_t __stack_end[];
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {__stack_end, start};
