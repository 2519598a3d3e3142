/* Clocks, power modes, pins, sleep and watchdog. */
#include "board.h"

#include "apollo3.h"
#include "pins.h"

#define WATCHDOG_TICKS 240u /* of 1/16 s: 15 s, the longest student takes 1 s */
#define FEED_TICKS (8u * 32768u)

extern uint32_t __sram_end[];

static uint32_t sleeps;

void pad_set(unsigned pad, unsigned setting)
{
    unsigned shift = GPIO_PADREG_SHIFT(pad);

    GPIO_PADKEY = GPIO_PADKEY_KEY;
    GPIO_PADREG(pad) = (GPIO_PADREG(pad) & ~(0x3Fu << shift)) | setting << shift;
    GPIO_PADKEY = 0;
}

static void output_set(unsigned pad)
{
    unsigned shift = GPIO_CFG_SHIFT(pad);

    GPIO_WTCA = 1u << pad;
    GPIO_PADKEY = GPIO_PADKEY_KEY;
    GPIO_CFG(pad) = (GPIO_CFG(pad) & ~(0xFu << shift)) | GPIO_CFG_PUSH_PULL << shift;
    GPIO_PADKEY = 0;
    pad_set(pad, GPIO_PAD_GPIO);
}

static void power_start(void)
{
    uint32_t used = (uint32_t)__sram_end - 0x10010000u;
    uint32_t groups = (used + 0x7FFF) / 0x8000;

    PWRCTRL_DEVPWREN = 0;
    PWRCTRL_MEMPWREN = PWRCTRL_MEMPWREN_TCM | PWRCTRL_MEMPWREN_SRAM(groups) |
                       PWRCTRL_MEMPWREN_FLASH | PWRCTRL_MEMPWREN_CACHE;
    /* What is powered is retained in deep sleep; flash and cache need no power there. */
    PWRCTRL_MEMPWDINSLEEP = PWRCTRL_MEMPWDINSLEEP_FLASH | PWRCTRL_MEMPWDINSLEEP_CACHE;
    MCUCTRL_TPIUCTRL = 0;
}

static void clock_start(void)
{
    CLKGEN_CLKKEY = CLKGEN_CLKKEY_KEY;
    CLKGEN_CCTRL = 0;
    CLKGEN_CLKKEY = 0;
    CLKGEN_OCTRL = CLKGEN_OCTRL_FAILOVER;

    uint32_t cache = CACHECTRL_CACHECFG_ONE_WAY_1024 | CACHECTRL_CACHECFG_CLOCK_GATES |
                     CACHECTRL_CACHECFG_INSTRUCTIONS | CACHECTRL_CACHECFG_DATA;
    CACHECTRL_CACHECFG &= ~(CACHECTRL_CACHECFG_INSTRUCTIONS | CACHECTRL_CACHECFG_DATA);
    CACHECTRL_CACHECFG = cache;
    CACHECTRL_CACHECFG = cache | CACHECTRL_CACHECFG_ENABLE;

    CTIMER_STMINTEN = CTIMER_STMINT_COMPARE_A;
    CTIMER_STCFG = CTIMER_STCFG_XTAL | CTIMER_STCFG_CLEAR;
    CTIMER_STCFG = CTIMER_STCFG_XTAL | CTIMER_STCFG_COMPARE_A;

    CORE_DEMCR |= CORE_DEMCR_TRACE;
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1u;
}

void board_start(void)
{
    power_start();
    clock_start();
    output_set(WINDOW_PAD);
    output_set(WORK_PAD);
    uart_start();
    RSTGEN_CFG |= RSTGEN_CFG_WDREN;
    WDT_CFG = WDT_CFG_16_HZ | WDT_CFG_RESET_AFTER(WATCHDOG_TICKS) | WDT_CFG_RESET | WDT_CFG_ENABLE;
    board_feed();
}

void board_feed(void)
{
    WDT_RSTRT = WDT_RSTRT_KEY;
}

uint64_t board_us(void)
{
    static uint32_t last, wraps; /* the counter wraps every 36 h; an idle board looks every 8 s */
    uint32_t ticks = CTIMER_STTMR;

    wraps += ticks < last;
    last = ticks;
    return (((uint64_t)wraps << 32) + ticks) * 15625u >> 9; /* 1e6 / 32768 */
}

uint32_t board_cycles(void)
{
    return DWT_CYCCNT;
}

uint32_t board_sleeps(void)
{
    return sleeps;
}

/* A write can get lost between the two clocks (Ambiq's own code repeats it, too); a lost one would
   leave a sleep without its end. */
static void alarm_set(uint32_t ticks)
{
    for (int i = 0; i < 4; i++) {
        uint32_t due = CTIMER_STTMR + ticks;
        CTIMER_SCMPR0 = ticks;
        if (CTIMER_SCMPR0 - due < 10)
            return;
    }
}

void board_sleep(uint32_t interrupts, uint32_t ticks, bool deep)
{
    uint32_t enabled = interrupts | 1u << IRQ_STIMER_COMPARE_A;

    if (deep) /* the transmitter's clock stops there */
        uart_drain();
    alarm_set(ticks);
    CTIMER_STMINTCLR = CTIMER_STMINT_COMPARE_A;
    NVIC_ICPR0 = enabled; /* one whose cause still stands is pending again at once */
    NVIC_ISER0 = enabled;
    SCB_SCR = deep ? SCB_SCR_SLEEPDEEP : 0;
    sleeps += deep;
    __asm volatile("dsb\n wfi\n isb" ::: "memory");
    NVIC_ICER0 = enabled;
}

void board_sleep_ms(uint32_t ms)
{
    uint64_t end = board_us() + 1000ull * ms;

    uart_stop();
    for (;;) {
        uint64_t now = board_us();
        if (now >= end)
            break;
        uint64_t ticks = ((end - now) * 512 + 15624) / 15625;
        board_sleep(0, ticks < FEED_TICKS ? (uint32_t)ticks + 1 : FEED_TICKS, true);
        board_feed();
    }
    uart_start();
}

void board_pin(int pin, bool high)
{
    uint32_t mask = 1u << (pin == PIN_WINDOW ? WINDOW_PAD : WORK_PAD);

    if (high)
        GPIO_WTSA = mask;
    else
        GPIO_WTCA = mask;
}
