/* Apollo3 Blue's registers, those that the firmware uses and no more.
 *
 * Addresses, fields and interrupt numbers: Ambiq's CMSIS-SVD description of the part (apollo3.svd,
 * as pyOCD carries it); the peripheral's name stands above each group. What the fields mean: data
 * sheet DS-A3-0p9p1, the page stands with what isn't plain. The core's own: ARMv7-M Architecture
 * Reference Manual, section B3.
 */
#ifndef APOLLO3_H
#define APOLLO3_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* RSTGEN. STAT loses its contents in deep sleep: read it once, at boot. */
#define RSTGEN_CFG REGISTER(0x40000000)
#define RSTGEN_CFG_WDREN (1u << 1)
#define RSTGEN_STAT REGISTER(0x4FFFF000)
#define RSTGEN_STAT_EXTERNAL (1u << 0)
#define RSTGEN_STAT_POWER_ON (1u << 1)
#define RSTGEN_STAT_BROWN_OUT (1u << 2 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 10)
#define RSTGEN_STAT_SOFTWARE (1u << 3 | 1u << 4)
#define RSTGEN_STAT_DEBUGGER (1u << 5)
#define RSTGEN_STAT_WATCHDOG (1u << 6)

/* CLKGEN */
#define CLKGEN_OCTRL REGISTER(0x4000400C)
#define CLKGEN_OCTRL_FAILOVER (1u << 6) /* the crystal's users go on with the LFRC if it stops */
#define CLKGEN_CLKKEY REGISTER(0x40004014)
#define CLKGEN_CLKKEY_KEY 0x47u
#define CLKGEN_CCTRL REGISTER(0x40004018) /* 0: core at 48 MHz, 1: at 24 MHz */

/* CTIMER: counter A3 (the ADC's trigger) and the system timer */
#define CTIMER_CMPRA3 REGISTER(0x40008064)
#define CTIMER_CTRL3 REGISTER(0x4000806C)
#define CTIMER_CTRL3_A_ENABLE (1u << 0)
#define CTIMER_CTRL3_A_HFRC_DIV4 (1u << 1) /* 12 MHz */
#define CTIMER_CTRL3_A_REPEATED (1u << 6)
#define CTIMER_CTRL3_A_CLEAR (1u << 11)
#define CTIMER_CTRL3_ADC (1u << 15)
#define CTIMER_STCFG REGISTER(0x40008140)
#define CTIMER_STCFG_XTAL (3u << 0)
#define CTIMER_STCFG_COMPARE_A (1u << 8)
#define CTIMER_STCFG_CLEAR (1u << 30)
#define CTIMER_STTMR REGISTER(0x40008144)
#define CTIMER_SCMPR0 REGISTER(0x40008150) /* a write of N means N ticks from now; reads give
                                                     the count that is due */
#define CTIMER_STMINTEN REGISTER(0x40008300)
#define CTIMER_STMINTCLR REGISTER(0x40008308)
#define CTIMER_STMINT_COMPARE_A (1u << 0)

/* GPIO: pads in groups of four a register, outputs in groups of eight */
#define GPIO_PADREG(pad) REGISTER(0x40010000 + ((pad) & ~3u))
#define GPIO_PADREG_SHIFT(pad) (8 * ((pad) & 3u))
#define GPIO_PAD_INPUT (1u << 1)
#define GPIO_PAD_STRONG (1u << 2)
#define GPIO_PAD_FUNCTION(number) ((number) << 3)
#define GPIO_PAD_GPIO GPIO_PAD_FUNCTION(3u)
#define GPIO_CFG(pad) REGISTER(0x40010040 + ((pad) >> 3) * 4)
#define GPIO_CFG_SHIFT(pad) (4 * ((pad) & 7u))
#define GPIO_CFG_PUSH_PULL (1u << 1)
#define GPIO_PADKEY REGISTER(0x40010060)
#define GPIO_PADKEY_KEY 0x73u
#define GPIO_WTSA REGISTER(0x40010090) /* set pads 31..0 */
#define GPIO_WTCA REGISTER(0x40010098) /* clear them */

/* CACHECTRL */
#define CACHECTRL_CACHECFG REGISTER(0x40018000)
#define CACHECTRL_CACHECFG_ENABLE (1u << 0)
#define CACHECTRL_CACHECFG_ONE_WAY_1024 (8u << 4)
#define CACHECTRL_CACHECFG_INSTRUCTIONS (1u << 8)
#define CACHECTRL_CACHECFG_DATA (1u << 9)
#define CACHECTRL_CACHECFG_CLOCK_GATES (1u << 10 | 1u << 20)

/* UART0, an ARM PL011 with its own clock selection */
#define UART0_DR REGISTER(0x4001C000)
#define UART0_DR_FRAMING (1u << 8)
#define UART0_DR_BREAK (1u << 10)
#define UART0_DR_OVERRUN (1u << 11)
#define UART0_FR REGISTER(0x4001C018)
#define UART0_FR_BUSY (1u << 3)
#define UART0_FR_RX_EMPTY (1u << 4)
#define UART0_FR_TX_FULL (1u << 5)
#define UART0_IBRD REGISTER(0x4001C024)
#define UART0_FBRD REGISTER(0x4001C028)
#define UART0_LCRH REGISTER(0x4001C02C)
#define UART0_LCRH_FIFO (1u << 4)
#define UART0_LCRH_8_BITS (3u << 5)
#define UART0_CR REGISTER(0x4001C030)
#define UART0_CR_ENABLE (1u << 0)
#define UART0_CR_CLOCK (1u << 3)
#define UART0_CR_24_MHZ (1u << 4)
#define UART0_CR_TX (1u << 8)
#define UART0_CR_RX (1u << 9)
#define UART0_IFLS REGISTER(0x4001C034)
#define UART0_IER REGISTER(0x4001C038)
#define UART0_IER_TX_DONE (1u << 0) /* all bits have left */
#define UART0_IER_RX (1u << 4)
#define UART0_IER_TX (1u << 5) /* the FIFO has fallen to its level */
#define UART0_IER_RX_TIMEOUT (1u << 6)
#define UART0_IEC REGISTER(0x4001C044)

/* MCUCTRL: two words that no reset clears; the trace port, which keeps the core from deep sleep */
#define MCUCTRL_SCRATCH0 REGISTER(0x400201B0)
#define MCUCTRL_SCRATCH1 REGISTER(0x400201B4)
#define MCUCTRL_TPIUCTRL REGISTER(0x40020250)

/* PWRCTRL */
#define PWRCTRL_DEVPWREN REGISTER(0x40021008)
#define PWRCTRL_DEVPWREN_UART0 (1u << 7)
#define PWRCTRL_DEVPWREN_ADC (1u << 9)
#define PWRCTRL_DEVPWREN_PDM (1u << 12)
#define PWRCTRL_MEMPWDINSLEEP REGISTER(0x4002100C)
#define PWRCTRL_MEMPWDINSLEEP_FLASH (1u << 13 | 1u << 14)
#define PWRCTRL_MEMPWDINSLEEP_CACHE (1u << 31)
#define PWRCTRL_MEMPWREN REGISTER(0x40021010)
#define PWRCTRL_MEMPWREN_TCM (7u << 0)
#define PWRCTRL_MEMPWREN_SRAM(groups) (((1u << (groups)) - 1) << 3) /* groups of 32 KB */
#define PWRCTRL_MEMPWREN_FLASH (1u << 13 | 1u << 14)
#define PWRCTRL_MEMPWREN_CACHE (1u << 30 | 1u << 31)
#define PWRCTRL_DEVPWRSTATUS REGISTER(0x40021018)
#define PWRCTRL_DEVPWRSTATUS_HCPA (1u << 2) /* UARTs and the I/O slave */
#define PWRCTRL_DEVPWRSTATUS_ADC (1u << 5)
#define PWRCTRL_DEVPWRSTATUS_PDM (1u << 7)

/* WDT. CFG: resets RESVAL ticks after the last RSTRT */
#define WDT_CFG REGISTER(0x40024000)
#define WDT_CFG_ENABLE (1u << 0)
#define WDT_CFG_RESET (1u << 2)
#define WDT_CFG_RESET_AFTER(ticks) ((ticks) << 8)
#define WDT_CFG_16_HZ (2u << 24)
#define WDT_RSTRT REGISTER(0x40024004)
#define WDT_RSTRT_KEY 0xB2u

/* ADC */
#define ADC_CFG REGISTER(0x50010000)
#define ADC_CFG_ENABLE (1u << 0)
#define ADC_CFG_REPEAT (1u << 2)
#define ADC_CFG_REFERENCE_1V5 (1u << 8)
#define ADC_CFG_POP_ON_READ (1u << 12)
#define ADC_CFG_HFRC_DIV2 (2u << 24)
#define ADC_SWT REGISTER(0x50010008)
#define ADC_SWT_START 0x37u
#define ADC_SL0CFG REGISTER(0x5001000C)
#define ADC_SLCFG_ENABLE (1u << 0)
#define ADC_SLCFG_CHANNEL(number) ((number) << 8)
#define ADC_INTEN REGISTER(0x50010200)
#define ADC_INTSTAT REGISTER(0x50010204)
#define ADC_INTCLR REGISTER(0x50010208)
#define ADC_INT_FIFO_FULL (1u << 3)
#define ADC_INT_DMA_DONE (1u << 6)
#define ADC_INT_DMA_ERROR (1u << 7)
#define ADC_DMATRIGEN REGISTER(0x50010240)
#define ADC_DMATRIGEN_THREE_QUARTERS (1u << 0)
#define ADC_DMACFG REGISTER(0x50010280)
#define ADC_DMACFG_ENABLE (1u << 0)
#define ADC_DMACFG_HALT (1u << 16)  /* wait for the next transfer once one is complete */
#define ADC_DMACFG_MASK (1u << 17) /* data only, without slot number and count */
#define ADC_DMATOTCOUNT REGISTER(0x50010288) /* bytes */
#define ADC_DMATARGADDR REGISTER(0x5001028C)
#define ADC_DMASTAT REGISTER(0x50010290)

/* PDM, pages 357 to 362 of the data sheet */
#define PDM_PCFG REGISTER(0x50011000)
#define PDM_PCFG_CORE (1u << 0)
#define PDM_PCFG_HIGH_PASS(gain) ((gain) << 5)
#define PDM_PCFG_SINC(rate) ((rate) << 10)
#define PDM_PCFG_GAIN_0_DB (4u << 21 | 4u << 26)
#define PDM_VCFG REGISTER(0x50011004)
#define PDM_VCFG_LEFT (1u << 3)
#define PDM_VCFG_PACK (1u << 8) /* two 16-bit samples a word, the earlier one low */
#define PDM_VCFG_CLOCK_OUT (1u << 26)
#define PDM_VCFG_CLOCK(select) ((select) << 27) /* 4: 1.5 MHz, 5: 750, 6: 375, 7: 187.5 kHz */
#define PDM_VCFG_RUN (1u << 30)
#define PDM_VCFG_IO_CLOCK (1u << 31)
#define PDM_FIFOFLUSH REGISTER(0x50011010)
#define PDM_FIFOTHR REGISTER(0x50011014) /* words */
#define PDM_INTEN REGISTER(0x50011200)
#define PDM_INTSTAT REGISTER(0x50011204)
#define PDM_INTCLR REGISTER(0x50011208)
#define PDM_INT_OVERFLOW (1u << 1)
#define PDM_INT_DMA_DONE (1u << 3)
#define PDM_INT_DMA_ERROR (1u << 4)
#define PDM_DMATRIGEN REGISTER(0x50011240)
#define PDM_DMATRIGEN_THRESHOLD (1u << 0)
#define PDM_DMACFG REGISTER(0x50011280)
#define PDM_DMACFG_ENABLE (1u << 0) /* direction bit 0: from the peripheral to memory */
#define PDM_DMATOTCOUNT REGISTER(0x50011288) /* bytes */
#define PDM_DMATARGADDR REGISTER(0x5001128C)

/* The core: data watchpoint unit's cycle counter, NVIC, system control, MPU, FPU */
#define DWT_CTRL REGISTER(0xE0001000)
#define DWT_CYCCNT REGISTER(0xE0001004)
#define NVIC_ISER0 REGISTER(0xE000E100)
#define NVIC_ICER0 REGISTER(0xE000E180)
#define NVIC_ICPR0 REGISTER(0xE000E280)
#define SCB_VTOR REGISTER(0xE000ED08)
#define SCB_AIRCR REGISTER(0xE000ED0C)
#define SCB_AIRCR_RESET (0x05FA0000u | 1u << 2)
#define SCB_SCR REGISTER(0xE000ED10)
#define SCB_SCR_SLEEPDEEP (1u << 2)
#define SCB_CCR REGISTER(0xE000ED14)
#define SCB_CCR_DIVIDE_BY_ZERO (1u << 4)
#define SCB_CFSR REGISTER(0xE000ED28)
#define SCB_CFSR_MEMORY 0x000000FFu
#define SCB_CFSR_MEMORY_STACKING (1u << 4)
#define SCB_CFSR_MEMORY_ADDRESS (1u << 7)
#define SCB_CFSR_BUS 0x0000FF00u
#define SCB_CFSR_USAGE 0xFFFF0000u
#define SCB_MMFAR REGISTER(0xE000ED34)
#define SCB_CPACR REGISTER(0xE000ED88)
#define SCB_CPACR_FPU (0xFu << 20)
#define MPU_CTRL REGISTER(0xE000ED94)
#define MPU_CTRL_ENABLE (1u << 0)
#define MPU_CTRL_DEFAULT_MAP (1u << 2)
#define MPU_RNR REGISTER(0xE000ED98)
#define MPU_RBAR REGISTER(0xE000ED9C)
#define MPU_RASR REGISTER(0xE000EDA0)
#define MPU_RASR_ENABLE (1u << 0)
#define MPU_RASR_SIZE_256 (7u << 1)
#define MPU_RASR_NO_ACCESS (0u << 24)
#define MPU_RASR_NEVER_EXECUTE (1u << 28)
#define CORE_DEMCR REGISTER(0xE000EDFC)
#define CORE_DEMCR_TRACE (1u << 24)
#define FPU_FPCCR REGISTER(0xE000EF34)
#define FPU_FPCCR_STACKING (3u << 30)

enum { IRQ_UART0 = 15, IRQ_ADC = 18, IRQ_PDM = 19, IRQ_STIMER_COMPARE_A = 23 };

#endif
