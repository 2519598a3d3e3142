/* Events: probabilities, window by window, made into sounds that begin and end.
 *
 * As sdk/kilohear/events.py with its defaults: smoothing 1 s, on at 0.5, off at 0.35. */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdbool.h>
#include <stdint.h>

enum { EVENTS_CLASSES_MAX = 64 };

typedef struct {
    uint32_t label;
    bool ended;        /* a sound's end, not its onset */
    float probability; /* smoothed: at the onset, or the highest */
    uint64_t start_us, end_us;
} event_t;

/* Forget everything; `classes` at most EVENTS_CLASSES_MAX. */
void events_reset(uint32_t classes);

/* Take a window's probabilities (classes) and its times in microseconds of the stream; write what
   it begins and ends into `events` (classes at most), return how many. */
uint32_t events_push(const float *probabilities, uint64_t start_us, uint64_t end_us,
                     event_t *events);

/* End what is under way, as `events_push`. */
uint32_t events_flush(event_t *events);

#endif
