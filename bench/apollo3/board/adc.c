/* An analogue microphone at the ADC: counter A3 starts each conversion, 14 bits, by DMA. */
#include "apollo3.h"
#include "board.h"
#include "pins.h"

#define TIMER_HZ 12000000u
#define DC_SHIFT 9 /* the mean is taken away with a time constant of 2^9 samples */

static int32_t mean; /* of the converter's 14-bit values, times 2^DC_SHIFT */

void adc_start(uint32_t hz)
{
    PWRCTRL_DEVPWREN |= PWRCTRL_DEVPWREN_ADC;
    while (!(PWRCTRL_DEVPWRSTATUS & PWRCTRL_DEVPWRSTATUS_ADC))
        ;
    pad_set(ADC_PAD, GPIO_PAD_FUNCTION(ADC_FUNCTION));
    mean = 8192 << DC_SHIFT;
    ADC_CFG = ADC_CFG_HFRC_DIV2 | ADC_CFG_REFERENCE_1V5 | ADC_CFG_POP_ON_READ | ADC_CFG_REPEAT;
    ADC_SL0CFG = ADC_SLCFG_CHANNEL(ADC_CHANNEL) | ADC_SLCFG_ENABLE; /* 14 bits, one measurement */
    ADC_DMATRIGEN = ADC_DMATRIGEN_THREE_QUARTERS;
    ADC_INTEN = ADC_INT_DMA_DONE | ADC_INT_DMA_ERROR;
    ADC_CFG |= ADC_CFG_ENABLE;
    CTIMER_CTRL3 = CTIMER_CTRL3_A_CLEAR;
    CTIMER_CMPRA3 = TIMER_HZ / hz - 1;
    CTIMER_CTRL3 = CTIMER_CTRL3_ADC | CTIMER_CTRL3_A_REPEATED | CTIMER_CTRL3_A_HFRC_DIV4 |
                   CTIMER_CTRL3_A_ENABLE;
    ADC_SWT = ADC_SWT_START; /* the first scan; the counter starts the others */
}

void adc_arm(void *words, uint32_t samples)
{
    ADC_DMACFG = 0;
    ADC_INTCLR = ADC_INT_DMA_DONE | ADC_INT_DMA_ERROR | ADC_INT_FIFO_FULL;
    ADC_DMASTAT = 0;
    ADC_DMATOTCOUNT = samples * 4;
    ADC_DMATARGADDR = (uint32_t)words;
    ADC_DMACFG = ADC_DMACFG_MASK | ADC_DMACFG_HALT | ADC_DMACFG_ENABLE;
}

dma_state_t adc_state(bool *overrun)
{
    uint32_t status = ADC_INTSTAT;

    *overrun = status & ADC_INT_FIFO_FULL;
    if (status & ADC_INT_DMA_ERROR)
        return DMA_FAILED;
    return status & ADC_INT_DMA_DONE ? DMA_DONE : DMA_BUSY;
}

void adc_convert(void *words, uint32_t samples)
{
    const uint32_t *in = words;
    int16_t *out = words; /* half as wide, so it never passes `in` */

    for (uint32_t i = 0; i < samples; i++) {
        int32_t value = (int32_t)(in[i] >> 6 & 0x3FFF); /* 14.6 format, page 727 */
        mean += value - (mean >> DC_SHIFT);
        int32_t sample = (value - (mean >> DC_SHIFT)) * 4;
        out[i] = (int16_t)(sample > 32767 ? 32767 : sample < -32768 ? -32768 : sample);
    }
}

void adc_stop(void)
{
    CTIMER_CTRL3 = CTIMER_CTRL3_A_CLEAR;
    ADC_DMACFG = 0;
    ADC_INTEN = 0;
    ADC_CFG = 0;
    PWRCTRL_DEVPWREN &= ~PWRCTRL_DEVPWREN_ADC;
}
