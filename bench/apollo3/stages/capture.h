/* Capture: blocks of int16 samples from a microphone by ping-pong DMA, asleep in between. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CAPTURE_BLOCK_MAX = 15616,    /* samples of the longest block, 1 s at 15,625 Hz */
    CAPTURE_DECIMATED_MAX = 3904, /* of the longest one that is decimated, by 2 */
};

typedef enum { SOURCE_PDM, SOURCE_ADC } capture_source_t;

/* How a nominal rate is captured. */
typedef struct {
    uint32_t nominal_hz;
    const char *effective_hz; /* exact, as text */
    uint32_t clock_hz;        /* PDM_CLKO, or the ADC's counter */
    const char *sampled_hz;   /* rate before decimation, exact, as text */
    uint32_t by;              /* decimation: 1 or 2 */
    uint32_t half_us;         /* half microseconds from one decimated sample to the next */
    uint32_t setting;         /* PDM clock selection, or the ADC's rate in Hz */
    uint32_t block;           /* samples of a DMA block, before decimation */
} capture_rate_t;

/* The row of a nominal rate, NULL where there's none. */
const capture_rate_t *capture_rate(capture_source_t source, uint32_t nominal_hz);

/* Power the microphone's block and begin; overruns count from 0. */
void capture_start(capture_source_t source, const capture_rate_t *rate);

/* Sleep until the block under way is full, begin the next, return it: `rate->block` samples, to be
   used before the next one is full. NULL where no samples came in twice a block's time. */
const int16_t *capture_next(void);

/* Overwrite the block that `capture_next` returned with zeros. */
void capture_wipe(void);

/* How many times samples were lost because a block wasn't fetched in time: since capture_start, and
   since reset. */
uint32_t capture_overruns(void);
uint32_t capture_overruns_ever(void);

/* Power down and overwrite what was captured. */
void capture_stop(void);

#endif
