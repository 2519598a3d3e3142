/* Provoke fault number FAULT after power-on; after the reset that it brings, tell its cause. */
#include <stdint.h>

#include "board.h"

int main(void);

static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

__attribute__((noinline)) static uint32_t deeper(volatile uint32_t *above)
{
    volatile uint32_t room[16];

    room[0] = *above + 1;
    return FAULT == 4 ? deeper(room) + room[0] : *above;
}

int main(void)
{
    const char *cause = board_reset_cause();
    volatile uint32_t zero = 0;

    if (cause[0] == 'u' && cause[1] == 'n') { /* "unknown": this machine has no reset status */
        if (FAULT == 2)
            zero = *(volatile uint32_t *)0x90000000;
        if (FAULT == 3)
            __asm volatile("udf #0");
        deeper(&zero);
    }
    semihosting(4, cause);
    semihosting(0x18, (const void *)0x20026);
    return 0;
}
