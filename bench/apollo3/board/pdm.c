/* The PDM block: one microphone on the left channel, 16-bit samples, two a word, by DMA. */
#include "apollo3.h"
#include "board.h"
#include "pins.h"

#define SINC_RATE 48u  /* the decimation is twice that */
#define THRESHOLD 16u  /* words in the FIFO that start a burst of the DMA */
#define HIGH_PASS 11u  /* the default: corner at about 1/12800 of the sample rate, page 362 */

void pdm_start(uint32_t clock_select)
{
    uint32_t voice = PDM_VCFG_LEFT | PDM_VCFG_PACK | PDM_VCFG_CLOCK(clock_select);

    PWRCTRL_DEVPWREN |= PWRCTRL_DEVPWREN_PDM;
    while (!(PWRCTRL_DEVPWRSTATUS & PWRCTRL_DEVPWRSTATUS_PDM))
        ;
    pad_set(PDM_CLOCK_PAD, GPIO_PAD_FUNCTION(PDM_CLOCK_FUNCTION));
    pad_set(PDM_DATA_PAD, GPIO_PAD_FUNCTION(PDM_DATA_FUNCTION) | GPIO_PAD_INPUT);
    PDM_PCFG = PDM_PCFG_GAIN_0_DB | PDM_PCFG_SINC(SINC_RATE) | PDM_PCFG_HIGH_PASS(HIGH_PASS) |
               PDM_PCFG_CORE;
    PDM_VCFG = voice; /* held in reset for 100 us at least */
    board_sleep(0, 8, false);
    PDM_VCFG = voice | PDM_VCFG_RUN;
    PDM_VCFG = voice | PDM_VCFG_RUN | PDM_VCFG_IO_CLOCK | PDM_VCFG_CLOCK_OUT;
    PDM_FIFOTHR = THRESHOLD;
    PDM_DMATRIGEN = PDM_DMATRIGEN_THRESHOLD;
    PDM_INTEN = PDM_INT_DMA_DONE | PDM_INT_DMA_ERROR;
    PDM_FIFOFLUSH = 1;
    PDM_INTCLR = PDM_INT_DMA_DONE | PDM_INT_DMA_ERROR | PDM_INT_OVERFLOW;
}

void pdm_arm(void *words, uint32_t samples)
{
    PDM_DMACFG = 0;
    PDM_INTCLR = PDM_INT_DMA_DONE | PDM_INT_DMA_ERROR | PDM_INT_OVERFLOW;
    PDM_DMATOTCOUNT = samples * 2;
    PDM_DMATARGADDR = (uint32_t)words;
    PDM_DMACFG = PDM_DMACFG_ENABLE;
}

dma_state_t pdm_state(bool *overrun)
{
    uint32_t status = PDM_INTSTAT;

    *overrun = status & PDM_INT_OVERFLOW;
    if (status & PDM_INT_DMA_ERROR)
        return DMA_FAILED;
    return status & PDM_INT_DMA_DONE ? DMA_DONE : DMA_BUSY;
}

void pdm_stop(void)
{
    PDM_DMACFG = 0;
    PDM_INTEN = 0;
    PDM_VCFG = 0;
    PDM_PCFG = 0;
    PWRCTRL_DEVPWREN &= ~PWRCTRL_DEVPWREN_PDM;
}
