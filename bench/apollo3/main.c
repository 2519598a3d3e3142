/* kilohear on the Apollo3: capture -> decimator -> logmel -> student -> events. */
#include "main.h"

#include <string.h>

#include "board.h"
#include "cycles.h"
#include "image.h"
#include "protocol.h"
#include "student.h"
#include "students.h"

state_t state;
uint8_t buffer[WINDOW_FEATURES_MAX] IN_SRAM;
uint32_t buffer_bytes, buffer_filled;
uint32_t cycles[CYCLES_STAGES];

static uint8_t arena[STUDENTS_ARENA_BYTES] __attribute__((aligned(16))); /* in the fast TCM */
static int16_t low[CAPTURE_DECIMATED_MAX] IN_SRAM;
static decimator_t decimator;

void blocks_start(void)
{
    decimator_reset(&decimator);
    capture_start(state.source, state.rate);
}

void blocks_stop(void)
{
    capture_stop();
    decimator_reset(&decimator);
}

bool block_next(const int16_t **samples, uint32_t *count)
{
    uint32_t start = board_cycles();
    const int16_t *block = capture_next();

    cycles_add(CYCLES_CAPTURE, start);
    if (!block)
        return false;
    board_pin(PIN_WORK, true);
    *samples = block;
    *count = state.rate->block;
    if (state.rate->by == 2) {
        start = board_cycles();
        *count = decimator_push(&decimator, block, state.rate->block, low);
        *samples = low;
        cycles_add(CYCLES_DECIMATOR, start);
    }
    return true;
}

void block_wipe(void)
{
    uint32_t start = board_cycles();

    capture_wipe();
    memset(low, 0, state.rate->block * (state.rate->by - 1));
    cycles_add(CYCLES_CAPTURE, start);
    board_pin(PIN_WORK, false);
}

void infer(void)
{
    uint32_t start = board_cycles();

    student_run(state.student, (const int8_t *)buffer, arena, sizeof arena, state.logits);
    student_softmax(state.student, state.logits, state.probabilities);
    state.has_results = true;
    cycles_add(CYCLES_STUDENT, start);
}

static void say_events(const event_t *events, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        say(events[i].ended ? "m-event-off-[" : "m-event-on-[");
        say_label(events[i].label);
        say(",");
        say_fraction(events[i].probability);
        say(",");
        say_number(events[i].start_us);
        if (events[i].ended) {
            say(",");
            say_number(events[i].end_us);
        }
        say_line("]");
    }
}

/* Give the serial line power, or take it, where it has none while listening. */
static void line_power(bool on)
{
    if (state.mute && on)
        uart_start();
    else if (state.mute)
        uart_stop();
}

bool listen(uint32_t windows)
{
    const void *student = state.student;
    uint32_t window_us = image_samples(student) / 2 * state.rate->half_us;
    uint32_t done = 0, sleeps = board_sleeps();
    uint64_t taken = 0, start_us = 0;
    event_t events[EVENTS_CLASSES_MAX];
    bool heard = true, stopped = false;

    memset(cycles, 0, sizeof cycles);
    window_reset(student, state.q15, (int8_t *)buffer);
    events_reset(image_classes(student));
    blocks_start();
    line_power(false);
    while ((windows == 0 || done < windows) && !stopped) {
        const int16_t *samples;
        uint32_t count;
        bool complete;
        heard = block_next(&samples, &count);
        if (!heard)
            break;
        uint64_t end_us = board_us();
        for (uint32_t i = 0; i < count && (windows == 0 || done < windows);) {
            if (taken % image_samples(student) == 0)
                start_us = end_us - (uint64_t)(count - i) * state.rate->half_us / 2;
            uint32_t some = window_push(samples + i, count - i, &complete);
            i += some;
            taken += some;
            if (!complete)
                continue;
            board_pin(PIN_WINDOW, true);
            infer();
            uint32_t start = board_cycles();
            uint32_t fresh = events_push(state.probabilities, (uint64_t)done * window_us,
                                         (uint64_t)(done + 1) * window_us, events);
            cycles_add(CYCLES_EVENTS, start);
            board_pin(PIN_WINDOW, false);
            line_power(true);
            say_window(done++, start_us, end_us);
            say_events(events, fresh);
            line_power(false);
            memset(cycles, 0, sizeof cycles);
        }
        block_wipe();
        stopped = !state.mute && protocol_stopped();
    }
    line_power(true);
    uint32_t overruns = capture_overruns();
    blocks_stop();
    window_reset(student, state.q15, (int8_t *)buffer);
    say_events(events, events_flush(events));
    buffer_bytes = buffer_filled = image_frames(student) * image_bands(student);
    say_numbers("listened", (uint64_t[]){done, overruns, taken, board_sleeps() - sleeps}, 4);
    return heard;
}

int main(void)
{
    board_start();
    say_line("m-init-done");
    say("m-reset-[");
    say(board_reset_cause());
    say_line("]");
    state.rate = capture_rate(SOURCE_PDM, 1000);
    state.student = student_of(1000, &state.reason);
    for (;;) {
        const char *words[PROTOCOL_WORDS_MAX];
        say_line("m-ready");
        command_run(words, protocol_read(words));
    }
}
