/* UART0: 115200 baud, 8N1, FIFOs of 32 bytes. Waits are slept through. */
#include "apollo3.h"
#include "board.h"
#include "pins.h"

#define RECEIVE (UART0_IER_RX | UART0_IER_RX_TIMEOUT)
#define FIFO_TICKS 100u /* of 1/32768 s: a full FIFO is sent in 91 */

static bool running; /* its registers mustn't be touched while it has no power */
static uint32_t overruns;

void uart_start(void)
{
    PWRCTRL_DEVPWREN |= PWRCTRL_DEVPWREN_UART0;
    while (!(PWRCTRL_DEVPWRSTATUS & PWRCTRL_DEVPWRSTATUS_HCPA))
        ;
    pad_set(UART_TX_PAD, GPIO_PAD_FUNCTION(UART_TX_FUNCTION));
    pad_set(UART_RX_PAD, GPIO_PAD_FUNCTION(UART_RX_FUNCTION) | GPIO_PAD_INPUT);
    UART0_CR = UART0_CR_CLOCK;
    UART0_CR = UART0_CR_CLOCK | UART0_CR_24_MHZ;
    UART0_IBRD = 13; /* 24 MHz / (16 * 115200) = 13 + 1/64 */
    UART0_FBRD = 1;
    UART0_LCRH = UART0_LCRH_8_BITS | UART0_LCRH_FIFO;
    UART0_IFLS = 2 << 3; /* receive interrupt from 16 bytes on (fewer ones time out into it), transmit
                            interrupt when four are left */
    UART0_IER = RECEIVE;
    UART0_CR = UART0_CR_CLOCK | UART0_CR_24_MHZ | UART0_CR_TX | UART0_CR_RX | UART0_CR_ENABLE;
    running = true;
}

/* Sleep until the transmitter's `interrupt`, while the flag stands. */
static void transmit_wait(uint32_t flag, uint32_t interrupt)
{
    while (UART0_FR & flag) {
        UART0_IEC = interrupt;
        UART0_IER = interrupt;
        board_sleep(1u << IRQ_UART0, FIFO_TICKS, false);
    }
    UART0_IER = RECEIVE;
}

void uart_drain(void)
{
    if (running)
        transmit_wait(UART0_FR_BUSY, UART0_IER_TX_DONE);
}

void uart_stop(void)
{
    uart_drain();
    running = false;
    UART0_CR = 0;
    PWRCTRL_DEVPWREN &= ~PWRCTRL_DEVPWREN_UART0;
}

void uart_write(const char *text, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (UART0_FR & UART0_FR_TX_FULL)
            transmit_wait(UART0_FR_TX_FULL, UART0_IER_TX);
        UART0_DR = (uint8_t)text[i];
    }
}

bool uart_waiting(void)
{
    return !(UART0_FR & UART0_FR_RX_EMPTY);
}

int uart_take(void)
{
    if (!uart_waiting())
        return -1;
    uint32_t data = UART0_DR;
    if (data & UART0_DR_OVERRUN)
        overruns++;
    return data & (UART0_DR_FRAMING | UART0_DR_BREAK) ? -1 : (int)(data & 0xFF);
}

void uart_wait(uint32_t ticks)
{
    if (!uart_waiting())
        board_sleep(1u << IRQ_UART0, ticks, false);
}

uint32_t uart_overruns(void)
{
    return overruns;
}
