#include "events.h"

#define THRESHOLD_ON 0.5f
#define THRESHOLD_OFF 0.35f
#define SMOOTHING_S 1.0f

static struct {
    float smoothed;
    bool lasting;
    event_t event;
} sounds[EVENTS_CLASSES_MAX];

static uint32_t classes;
static bool started;
static uint64_t newest_us;

/* exp(-x) for x >= 0: halved until the series is short, then squared as often. */
static float decay(float x)
{
    int halvings = 0;

    if (x > 80.0f)
        return 0.0f;
    for (; x > 0.125f; x *= 0.5f)
        halvings++;
    float value = 1.0f - x * (1.0f - x * (1.0f / 2 - x * (1.0f / 6 - x * (1.0f / 24))));
    while (halvings--)
        value *= value;
    return value;
}

void events_reset(uint32_t count)
{
    classes = count;
    started = false;
    for (uint32_t i = 0; i < EVENTS_CLASSES_MAX; i++)
        sounds[i].lasting = false;
}

static event_t ended(uint32_t i)
{
    sounds[i].lasting = false;
    sounds[i].event.ended = true;
    return sounds[i].event;
}

uint32_t events_push(const float *probabilities, uint64_t start_us, uint64_t end_us,
                     event_t *events)
{
    uint32_t count = 0;
    float weight = 1.0f;

    if (started)
        weight = 1.0f - decay((float)(uint32_t)(start_us - newest_us) * (1e-6f / SMOOTHING_S));
    for (uint32_t i = 0; i < classes; i++) {
        float old = started ? sounds[i].smoothed : 0.0f;
        float value = old + weight * (probabilities[i] - old);
        event_t *event = &sounds[i].event;
        sounds[i].smoothed = value;
        if (!sounds[i].lasting && value >= THRESHOLD_ON) {
            *event = (event_t){i, false, value, start_us, end_us};
            sounds[i].lasting = true;
            events[count++] = *event;
        } else if (sounds[i].lasting && value >= THRESHOLD_OFF) {
            event->end_us = end_us;
            if (value > event->probability)
                event->probability = value;
        } else if (sounds[i].lasting) {
            events[count++] = ended(i);
        }
    }
    started = true;
    newest_us = start_us;
    return count;
}

uint32_t events_flush(event_t *events)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < classes; i++)
        if (sounds[i].lasting)
            events[count++] = ended(i);
    return count;
}
