/* From reset to main: vectors, memory, FPU, a guarded stack; and what happens at a fault.
 *
 * main runs on the process stack, so that a fault has a stack left when that one has run out. All
 * interrupts are masked for good (PRIMASK): a pending one only ends WFI. With them every fault
 * escalates to the hard fault, whose handler tells them apart by CFSR.
 */
#include "apollo3.h"
#include "board.h"

#define PAINT 0xA5A5A5A5u
#define RECORD 0xFA170000u /* upper half of SCRATCH0: the lower half names a fault */

extern uint32_t __data_load[], __data_start[], __data_end[], __bss_start[], __bss_end[];
extern uint32_t __sram_start[], __sram_end[];
extern uint32_t __stack_start[], __stack_end[], __fault_stack_end[], __guard_end[];

int main(void);
_Noreturn void reset(void);
static void fault(void);

static char cause[32];
static const char *const faults[] = {"hard-fault", "memory-fault", "bus-fault", "usage-fault",
                                     "stack-overflow"};

static _Noreturn void halt_for(uint32_t kind, uint32_t pc)
{
    MCUCTRL_SCRATCH0 = RECORD | kind;
    MCUCTRL_SCRATCH1 = pc;
    board_reset();
}

/* Vector table: the first 16 entries; no interrupt is ever taken, so there are no more. */
__attribute__((section(".vectors"), used)) static const uint32_t *const vectors[16] = {
    __fault_stack_end,
    (const uint32_t *)reset,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
    (const uint32_t *)fault,
};

/* `frame`: the eight words that the core stacked; the seventh is the program counter. */
__attribute__((used)) static void fault_record(const uint32_t *frame)
{
    uint32_t status = SCB_CFSR;
    uint32_t kind = status & SCB_CFSR_MEMORY ? 1 : status & SCB_CFSR_BUS ? 2 : status ? 3 : 0;
    uint32_t guard = (uint32_t)__stack_start, end = (uint32_t)__guard_end;
    bool stacked = frame >= __guard_end && frame + 8 <= __stack_end;

    if (status & SCB_CFSR_MEMORY_STACKING || (uint32_t)frame < end ||
        (status & SCB_CFSR_MEMORY_ADDRESS && SCB_MMFAR >= guard && SCB_MMFAR < end))
        kind = 4;
    halt_for(kind, stacked ? frame[6] : 0);
}

__attribute__((naked)) static void fault(void)
{
    __asm volatile("mrs r0, psp\n b fault_record");
}

_Noreturn void board_reset(void)
{
    SCB_AIRCR = SCB_AIRCR_RESET;
    for (;;)
        ;
}

static void cause_read(void)
{
    uint32_t status = RSTGEN_STAT, record = MCUCTRL_SCRATCH0, pc = MCUCTRL_SCRATCH1;
    const char *name = "unknown";
    uint32_t length = 0;

    MCUCTRL_SCRATCH0 = 0;
    if ((record & 0xFFFF0000u) == RECORD && (record & 0xFFFFu) < 5)
        name = faults[record & 0xFFFFu];
    else if (status & RSTGEN_STAT_BROWN_OUT)
        name = "brown-out";
    else if (status & RSTGEN_STAT_POWER_ON)
        name = "power-on";
    else if (status & RSTGEN_STAT_WATCHDOG)
        name = "watchdog";
    else if (status & RSTGEN_STAT_DEBUGGER)
        name = "debugger";
    else if (status & RSTGEN_STAT_SOFTWARE)
        name = "software";
    else if (status & RSTGEN_STAT_EXTERNAL)
        name = "pin";
    while (*name)
        cause[length++] = *name++;
    if ((record & 0xFFFF0000u) == RECORD) {
        for (const char *at = " at "; *at; at++)
            cause[length++] = *at;
        for (int shift = 28; shift >= 0; shift -= 4)
            cause[length++] = "0123456789abcdef"[pc >> shift & 15];
    }
    cause[length] = 0;
}

const char *board_reset_cause(void)
{
    return cause;
}

uint32_t board_stack_size(void)
{
    return (uint32_t)((char *)__stack_end - (char *)__guard_end);
}

uint32_t board_stack_used(void)
{
    const uint32_t *word = __guard_end;

    while (word < __stack_end && *word == PAINT)
        word++;
    return (uint32_t)((const char *)__stack_end - (const char *)word);
}

__attribute__((used)) static _Noreturn void begin(void)
{
    const uint32_t *from = __data_load;

    SCB_CPACR |= SCB_CPACR_FPU;
    FPU_FPCCR &= ~FPU_FPCCR_STACKING; /* the fault handler has no use for the FPU's registers */
    __asm volatile("dsb\n isb" ::: "memory");
    for (uint32_t *to = __data_start; to < __data_end;)
        *to++ = *from++;
    for (uint32_t *to = __bss_start; to < __bss_end;)
        *to++ = 0;
    for (uint32_t *to = __sram_start; to < __sram_end;)
        *to++ = 0;

    SCB_VTOR = (uint32_t)vectors;
    SCB_CCR |= SCB_CCR_DIVIDE_BY_ZERO;
    MPU_RNR = 0;
    MPU_RBAR = (uint32_t)__stack_start;
    MPU_RASR = MPU_RASR_NEVER_EXECUTE | MPU_RASR_NO_ACCESS | MPU_RASR_SIZE_256 | MPU_RASR_ENABLE;
    MPU_CTRL = MPU_CTRL_DEFAULT_MAP | MPU_CTRL_ENABLE;
    __asm volatile("dsb\n isb" ::: "memory");

    cause_read();
    main();
    board_reset();
}

/* Entry: mask interrupts, paint the process stack, go over to it. */
__attribute__((naked, used)) _Noreturn void reset(void)
{
    __asm volatile("cpsid i\n"
                   "ldr r0, =__stack_start\n"
                   "ldr r1, =__stack_end\n"
                   "ldr r2, =0xA5A5A5A5\n"
                   "1: str r2, [r0], #4\n"
                   "cmp r0, r1\n"
                   "blo 1b\n"
                   "msr psp, r1\n"
                   "movs r0, #2\n"
                   "msr control, r0\n"
                   "isb\n"
                   "b begin\n"
                   ".ltorg");
}
