/* A small firmware for the simulator's tests: commands of one letter over UART0. */
#include <stdint.h>
#define R(a) (*(volatile uint32_t *)(a))
#define UART 0x4001C000u
#define PDM 0x50011000u

extern uint32_t stack_end;
void reset(void);
void fault(void);
__attribute__((section(".vectors"), used)) static void *const vectors[8] = {
    &stack_end, (void *)reset, (void *)reset, (void *)fault,
    (void *)fault, (void *)fault, (void *)fault, (void *)fault};

static uint32_t block[2][64]; /* words of two samples */
static volatile float sink;

static void put(char c) {
    while (R(UART + 0x18) & 0x20) {}
    R(UART) = (uint32_t)c;
}
static void text(const char *s) { while (*s) put(*s++); }
static void number(uint32_t value) {
    char digits[10]; int n = 0;
    do { digits[n++] = (char)('0' + value % 10); value /= 10; } while (value);
    while (n) put(digits[--n]);
}
static void end(void) { text("\r\nm-ready\r\n"); }
static void wait(void) { __asm volatile("wfi" ::: "memory"); }

static uint32_t argument(void);
static int next(void) { /* -1: nothing there */
    if (R(UART + 0x18) & 0x10) return -1;
    return (int)(R(UART) & 0xFF);
}
static int take(void) {
    for (;;) {
        int c = next();
        if (c >= 0) return c;
        R(UART + 0x44) = 0x50;
        R(0xE000E280) = 1u << 15;
        if (R(UART + 0x18) & 0x10) wait();
    }
}
static uint32_t argument(void) {
    uint32_t value = 0;
    for (int c = take(); c != '%'; c = take()) if (c >= '0' && c <= '9') value = value * 10 + (uint32_t)(c - '0');
    return value;
}
static __attribute__((noinline, section(".stage.work"))) void work(uint32_t n) {
    float f = 1;
    for (uint32_t i = 0; i < n; i++) f = f * 0.5f + (float)i;
    sink = f;
}
static void start_dma(int which) {
    R(PDM + 0x280) = 0;
    R(PDM + 0x28C) = (uint32_t)block[which];
    R(PDM + 0x288) = sizeof block[0];
    R(PDM + 0x280) = 1;
}
static void listen(uint32_t blocks, uint32_t spin) {
    uint32_t sum = 0, overruns = 0, first = 0;
    R(0x40021008) |= 1u << 12;
    R(PDM + 0x14) = 16; R(PDM + 0x240) = 1;
    R(PDM + 0x208) = 0x1F; R(PDM + 0x200) = 0x1A;
    R(0xE000E100) = 1u << 19; R(0xE000E180) = 1u << 15;
    R(0xE000ED10) = 4;
    R(PDM + 0) = 4u << 21 | 48u << 10 | 1u << 9 | 1;
    start_dma(0);
    R(PDM + 4) = 0x80000000u | 0x40000000u | 7u << 27 | 0x04000000u | 0x100u | 1u << 3;
    for (uint32_t b = 0; b < blocks; b++) {
        while (!(R(PDM + 0x204) & 8)) {
            R(0xE000E280) = 1u << 19;
            if (!(R(PDM + 0x204) & 8)) wait();
        }
        if (R(PDM + 0x204) & 2) overruns++;
        R(PDM + 0x208) = 0x1F;
        start_dma((int)((b + 1) & 1));
        R(0x40010090) = 1u << 5;
        const int16_t *samples = (const int16_t *)block[b & 1];
        if (b == 0) first = (uint16_t)samples[1];
        for (uint32_t i = 0; i < 128; i++) sum += (uint32_t)(samples[i] < 0 ? -samples[i] : samples[i]);
        work(spin);
        R(0x40010098) = 1u << 5;
    }
    R(PDM + 4) = 8;
    R(0xE000E180) = 1u << 19; R(0xE000E280) = 1u << 19; R(0xE000E100) = 1u << 15;
    R(0xE000ED10) = 0;
    text("m-heard-["); number(sum); put(','); number(overruns); put(','); number(first); text("]");
}
static void nap(uint32_t ms) {
    uint32_t t0 = R(0x40008144);
    R(0x40008308) = 0x1FFF; R(0x40008300) = 1;
    R(0x40008140) |= 1u << 8;
    R(0x40008150) = ms * 32768u / 1000u;
    R(0xE000E100) = 1u << 23; R(0xE000E180) = 1u << 15;
    R(0xE000ED10) = 4;
    while (!(R(0x40008304) & 1)) { R(0xE000E280) = 1u << 23; if (!(R(0x40008304) & 1)) wait(); }
    R(0x40008308) = 1;
    R(0xE000ED10) = 0;
    R(0xE000E180) = 1u << 23; R(0xE000E280) = 1u << 23; R(0xE000E100) = 1u << 15;
    text("m-slept-["); number(R(0x40008144) - t0); text("]");
}
void fault(void) {
    uint32_t *frame; __asm volatile("mov %0, sp" : "=r"(frame));
    R(0x400201B0) = R(0xE000ED38);
    R(0xE000ED0C) = 0x05FA0004;
    for (;;) {}
}
void reset(void) {
    __asm volatile("cpsid i");
    uint32_t cause = R(0x4FFFF000);
    R(0x40021008) = 1u << 7;
    R(UART + 0x30) = 1u << 4 | 8;
    R(UART + 0x24) = 13; R(UART + 0x28) = 1; /* 24 MHz / (16 * 13 1/64) = 115,108 baud */
    R(UART + 0x2C) = 0x70;
    R(UART + 0x34) = 2u << 3 | 2;
    R(UART + 0x38) = 0x50;
    R(UART + 0x30) = 0x300 | 1u << 4 | 8 | 1;
    R(0xE000E100) = 1u << 15;
    R(0x40008140) = 3;
    text("m-init-done\r\nm-reset-["); number(cause); text("]"); end();
    uint32_t spin = 0;
    for (;;) {
        int letter = take();
        uint32_t value = argument();
        switch (letter) {
        case 'n': text("m-name-dut-[simulated]"); break;
        case 's': nap(value); break;
        case 'w': spin = value; work(value); text("m-worked"); break;
        case 'l': listen(value, spin); break;
        case 'o': text("m-overrun-["); number(R(UART + 4)); text("]"); R(UART + 4) = 0; break;
        case 'b': for (volatile uint32_t i = 0; i < value; i++) {} text("m-busy"); break;
        case 'd': R(0x40000000) = 2; R(0x40024000) = 3u << 24 | 2u << 8 | 4 | 1; for (;;) {} break;
        case 'f': text("m-fault"); R(0x60000000 + value) = 1; break;
        case 'r': text("m-scratch-["); number(R(0x400201B0)); text("]"); break;
        case 'u': R(0x40003000) = value; break;
        default: text("e-[unknown command]");
        }
        end();
    }
}
