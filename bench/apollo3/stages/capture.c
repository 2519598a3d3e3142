#include "capture.h"

#include <string.h>

#include "board.h"

/* A block lasts longer than a student works: 1 s from 4 kHz on, where students are larger, else
   0.5 s. Blocks are whole bursts of the DMA: 32 samples of PDM, 12 of the ADC (whose words are
   twice as wide, so that its longest block is half as long). */
static const capture_rate_t rates[2][5] = {
    [SOURCE_PDM] =
        {
            {16000, "15625", 1500000, "15625", 1, 128, 4, 15616},
            {8000, "7812.5", 750000, "7812.5", 1, 256, 5, 7808},
            {4000, "3906.25", 750000, "7812.5", 2, 512, 5, 7808},
            {2000, "1953.125", 375000, "3906.25", 2, 1024, 6, 1952},
            {1000, "976.5625", 187500, "1953.125", 2, 2048, 7, 960},
        },
    [SOURCE_ADC] =
        {
            {16000, "16000", 12000000, "16000", 1, 125, 16000, 7800},
            {8000, "8000", 12000000, "8000", 1, 250, 8000, 7800},
            {4000, "4000", 12000000, "8000", 2, 500, 8000, 7800},
            {2000, "2000", 12000000, "4000", 2, 1000, 4000, 1980},
            {1000, "1000", 12000000, "2000", 2, 2000, 2000, 996},
        },
};

enum { IRQS_PDM = 1 << 19, IRQS_ADC = 1 << 18, PATIENCE_TICKS = 32768 };

static int16_t blocks[2][CAPTURE_BLOCK_MAX] IN_SRAM;
static capture_source_t from;
static const capture_rate_t *plan;
static uint32_t filling; /* which block the DMA writes; the other is the caller's */
static uint32_t overruns, overruns_ever;

const capture_rate_t *capture_rate(capture_source_t source, uint32_t nominal_hz)
{
    for (uint32_t i = 0; i < 5; i++)
        if (rates[source][i].nominal_hz == nominal_hz)
            return &rates[source][i];
    return NULL;
}

static void arm(void)
{
    if (from == SOURCE_PDM)
        pdm_arm(blocks[filling], plan->block);
    else
        adc_arm(blocks[filling], plan->block);
}

static dma_state_t state(bool *overrun)
{
    return from == SOURCE_PDM ? pdm_state(overrun) : adc_state(overrun);
}

static void wipe(int16_t *block)
{
    memset(block, 0, plan->block * (from == SOURCE_PDM ? 2 : 4));
}

void capture_start(capture_source_t source, const capture_rate_t *rate)
{
    from = source;
    plan = rate;
    filling = 0;
    overruns = 0;
    if (from == SOURCE_PDM)
        pdm_start(rate->setting);
    else
        adc_start(rate->setting);
    arm();
}

const int16_t *capture_next(void)
{
    uint64_t end = board_us() + (uint64_t)plan->block * plan->half_us / plan->by;
    bool overrun;
    dma_state_t now;

    while ((now = state(&overrun)) == DMA_BUSY && board_us() <= end) {
        board_feed();
        board_sleep(from == SOURCE_PDM ? IRQS_PDM : IRQS_ADC, PATIENCE_TICKS, true);
    }
    if (now != DMA_DONE)
        return NULL;
    overruns += overrun;
    overruns_ever += overrun;
    int16_t *block = blocks[filling];
    filling ^= 1;
    arm();
    if (from == SOURCE_ADC)
        adc_convert(block, plan->block);
    return block;
}

void capture_wipe(void)
{
    wipe(blocks[filling ^ 1]);
}

uint32_t capture_overruns(void)
{
    return overruns;
}

uint32_t capture_overruns_ever(void)
{
    return overruns_ever;
}

void capture_stop(void)
{
    if (from == SOURCE_PDM)
        pdm_stop();
    else
        adc_stop();
    wipe(blocks[0]);
    wipe(blocks[1]);
}
