/* What the stages and the protocol see of the board. Times are microseconds since reset. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Big buffers that a DMA channel writes or that needn't be fast: the SRAM above the TCM. */
#define IN_SRAM __attribute__((section(".sram"), aligned(16)))

/* Clocks, power, pins, timer, UART and watchdog as after reset; once, first thing in main. */
void board_start(void);

/* Why the board started, e.g. "power-on" or "hard-fault at 0000c123". */
const char *board_reset_cause(void);

/* Reset now; `board_reset_cause` says "software" afterwards. */
_Noreturn void board_reset(void);

/* Tell the watchdog that the main loop is alive; it resets the board after 15 s without. */
void board_feed(void);

/* Microseconds since reset, in steps of 1/32768 s. */
uint64_t board_us(void);

/* Cycles that the core has worked, modulo 2^32; it stands still in deep sleep. */
uint32_t board_cycles(void);

/* Most of the stack that was ever used, and its size, bytes. */
uint32_t board_stack_used(void);
uint32_t board_stack_size(void);

/* Deep-sleep entries since reset. */
uint32_t board_sleeps(void);

/* Sleep until one of these interrupts (a mask of 1 << IRQ) is pending, or `ticks` of 1/32768 s have
   passed; `deep` gates the core's clocks. May return early: look at the status again. */
void board_sleep(uint32_t interrupts, uint32_t ticks, bool deep);

/* Deep sleep of `ms` milliseconds with UART, PDM and ADC off. */
void board_sleep_ms(uint32_t ms);

/* Pins that a meter looks at. */
enum { PIN_WINDOW, PIN_WORK };
void board_pin(int pin, bool high);

/* UART0, 115200 8N1. `uart_take` returns a received byte, or -1 where there is none or a broken
   one; `uart_wait` sleeps until there may be one, `ticks` of 1/32768 s at most. `uart_overruns`:
   how many times bytes were lost since reset. */
void uart_start(void);
void uart_stop(void);
void uart_write(const char *text, uint32_t count);
void uart_drain(void); /* sleep until all of it has left */
bool uart_waiting(void);
int uart_take(void);
void uart_wait(uint32_t ticks);
uint32_t uart_overruns(void);

/* A microphone's DMA: `start` powers it, `arm` begins a transfer of `samples` to `words`, `state`
   tells how it goes; the FIFO holds 64 samples (PDM) or 16 (ADC) between two transfers. */
typedef enum { DMA_BUSY, DMA_DONE, DMA_FAILED } dma_state_t;

void pdm_start(uint32_t clock_select);
void pdm_arm(void *words, uint32_t samples);
dma_state_t pdm_state(bool *overrun);
void pdm_stop(void);

/* `hz` divides 12 MHz. Each sample fills a word; `adc_convert` makes int16 of them, in place. */
void adc_start(uint32_t hz);
void adc_arm(void *words, uint32_t samples);
dma_state_t adc_state(bool *overrun);
void adc_convert(void *words, uint32_t samples);
void adc_stop(void);

#endif
