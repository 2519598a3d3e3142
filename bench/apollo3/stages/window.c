#include "window.h"

#include <string.h>

#include "cycles.h"
#include "fft.h"
#include "image.h"
#include "logmel.h"
#include "student.h"

static int16_t frame[WINDOW_FRAME_MAX] __attribute__((aligned(4)));
static float db[WINDOW_BANDS_MAX];

static const void *student;
static bool in_q15;
static int8_t *map;
static uint32_t filled; /* samples in `frame` */
static uint32_t row;    /* frames done of this window */
static uint32_t seen;   /* samples taken of this window */

bool window_fits(const void *image)
{
    uint32_t window = image_window(image), hop = image_hop(image), frames = image_frames(image);
    uint32_t bands = image_bands(image);

    return window <= WINDOW_FRAME_MAX && bands <= WINDOW_BANDS_MAX && hop > 0 && hop <= window &&
           fft_takes(image_fft(image)) && frames > 0 && frames <= WINDOW_FEATURES_MAX / bands &&
           (frames - 1) * hop + window <= image_samples(image);
}

void window_reset(const void *image, bool q15, int8_t *features)
{
    student = image;
    in_q15 = q15;
    map = features;
    filled = row = seen = 0;
    memset(frame, 0, sizeof frame);
}

void window_logmel(const void *image, bool q15, const int16_t *samples, float *out)
{
    if (q15)
        logmel_frame_q15(image, samples, out);
    else
        logmel_frame_f32(image, samples, out);
}

static void frame_done(void)
{
    uint32_t start = board_cycles(), window = image_window(student), hop = image_hop(student);

    window_logmel(student, in_q15, frame, db);
    student_quantise(student, db, map + row * image_bands(student));
    row++;
    filled = row < image_frames(student) ? window - hop : 0;
    memmove(frame, frame + hop, filled * sizeof frame[0]);
    cycles_add(CYCLES_LOGMEL, start);
}

uint32_t window_push(const int16_t *samples, uint32_t count, bool *features_done)
{
    uint32_t taken = 0, window = image_window(student), frames = image_frames(student);

    *features_done = false;
    while (taken < count && !*features_done && row < frames) {
        uint32_t some = window - filled < count - taken ? window - filled : count - taken;
        memcpy(frame + filled, samples + taken, some * sizeof frame[0]);
        filled += some;
        taken += some;
        if (filled == window)
            frame_done();
        *features_done = row == frames;
    }
    if (row == frames) { /* what no frame covers is passed over */
        uint32_t rest = image_samples(student) - seen - taken;
        taken += rest < count - taken ? rest : count - taken;
    }
    seen += taken;
    if (seen == image_samples(student))
        seen = row = filled = 0;
    if (*features_done)
        memset(frame, 0, sizeof frame);
    return taken;
}
