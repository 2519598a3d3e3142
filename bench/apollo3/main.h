/* What the commands share with the loop. */
#ifndef MAIN_H
#define MAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "capture.h"
#include "decimator.h"
#include "events.h"
#include "window.h"

/* The settings, and what the last window gave. */
typedef struct {
    capture_source_t source;
    const capture_rate_t *rate;
    const void *student; /* NULL: none of this rate */
    int reason;          /* why not, see student_of; 0: there's none */
    bool q15;
    bool mute; /* no power for the serial line while listening, but for what is said */
    bool has_results;
    int8_t logits[EVENTS_CLASSES_MAX];
    float probabilities[EVENTS_CLASSES_MAX];
} state_t;

extern state_t state;

/* The host's buffer (`db`), and the feature map (frames, bands) that listening writes. */
extern uint8_t buffer[WINDOW_FEATURES_MAX];
extern uint32_t buffer_bytes;  /* how many were announced */
extern uint32_t buffer_filled; /* how many are there */

/* A block from the microphone, decimated: `*samples`, `*count` of them. False where capture failed.
   `block_wipe` overwrites it; the pin says "work" in between. */
bool block_next(const int16_t **samples, uint32_t *count);
void block_wipe(void);
void blocks_start(void);
void blocks_stop(void);

/* Run the student over the buffer's features; state.logits, state.probabilities. */
void infer(void);

/* Listen to `windows` windows, 0: until the host stops it; false where capture failed. */
bool listen(uint32_t windows);

/* Lines about a window: results and logits; cycles of some stages. */
void say_results(void);
void say_label(uint32_t index);
void say_window(uint32_t index, uint64_t start_us, uint64_t end_us);
void say_cycles(uint32_t stages);

/* Do what one command says. */
void command_run(const char *const *words, uint32_t count);

#endif
