/* The four functions that the compiler may call on its own; there's no C library. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *left, const void *right, size_t count);

typedef uint32_t __attribute__((may_alias)) word_t;

static int aligned(const void *left, const void *right)
{
    return (((uintptr_t)left | (uintptr_t)right) & 3) == 0;
}

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    return memmove(to, from, count);
}

void *memmove(void *to, const void *from, size_t count)
{
    char *out = to;
    const char *in = from;

    if ((uintptr_t)out <= (uintptr_t)in) {
        if (aligned(out, in))
            for (; count >= 4; count -= 4, out += 4, in += 4)
                *(word_t *)out = *(const word_t *)in;
        while (count--)
            *out++ = *in++;
    } else {
        while (count--)
            out[count] = in[count];
    }
    return to;
}

void *memset(void *to, int value, size_t count)
{
    char *out = to;

    if (aligned(out, out))
        for (word_t word = (uint8_t)value * 0x01010101u; count >= 4; count -= 4, out += 4)
            *(word_t *)out = word;
    while (count--)
        *out++ = (char)value;
    return to;
}

int memcmp(const void *left, const void *right, size_t count)
{
    const uint8_t *a = left, *b = right;

    for (; count--; a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}
