/* Where the core's cycles went, by stage, since they were last set to 0. */
#ifndef CYCLES_H
#define CYCLES_H

#include "board.h"

enum {
    CYCLES_CAPTURE,
    CYCLES_DECIMATOR,
    CYCLES_LOGMEL,
    CYCLES_FFT,
    CYCLES_STUDENT,
    CYCLES_EVENTS,
    CYCLES_STAGES
};

extern uint32_t cycles[CYCLES_STAGES];

/* Count what was worked since `start` (board_cycles) towards a stage. */
static inline void cycles_add(int stage, uint32_t start)
{
    cycles[stage] += board_cycles() - start;
}

#endif
