#include "protocol.h"

#include "board.h"

enum { IDLE_TICKS = 4 * 32768, QUIET_TICKS = 328, SHOWN_MAX = 40 };

static char command[PROTOCOL_COMMAND_MAX + 2];
static char line[128]; /* what isn't sent yet */
static uint32_t line_length;
static uint32_t line_crc;
static uint32_t errors, overruns_told;

uint32_t crc32(uint32_t crc, const void *bytes, uint32_t count)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const uint8_t *byte = bytes;

    crc = ~crc;
    while (count--) {
        crc ^= *byte++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static void flush(void)
{
    line_crc = crc32(line_crc, line, line_length);
    uart_write(line, line_length);
    line_length = 0;
}

static void put(char letter)
{
    line[line_length++] = letter;
    if (line_length == sizeof line)
        flush();
}

void say(const char *text)
{
    while (*text)
        put(*text++);
}

void say_number(uint64_t number)
{
    char digits[20];
    uint32_t count = 0;

    while (number >> 32) { /* the library's 64-bit division, only where it is needed */
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    }
    for (uint32_t small = (uint32_t)number; small || !count; small /= 10)
        digits[count++] = (char)('0' + small % 10);
    while (count)
        put(digits[--count]);
}

void say_signed(int32_t number)
{
    if (number < 0)
        put('-');
    say_number(number < 0 ? -(int64_t)number : number);
}

void say_fraction(float value)
{
    float kept = value <= 0.0f ? 0.0f : value >= 1.0f ? 1.0f : value;
    uint32_t millionths = (uint32_t)(kept * 1e6f + 0.5f);

    put((char)('0' + millionths / 1000000));
    put('.');
    for (uint32_t unit = 100000; unit; unit /= 10)
        put((char)('0' + millionths / unit % 10));
}

static void put_hex(uint32_t byte)
{
    put("0123456789abcdef"[byte >> 4 & 15]);
    put("0123456789abcdef"[byte & 15]);
}

void say_hex(const void *bytes, uint32_t count)
{
    const uint8_t *byte = bytes;

    while (count--)
        put_hex(*byte++);
}

void say_word(uint32_t word)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        put_hex(word >> shift);
}

void say_end(void)
{
    say("\r\n");
    flush();
    line_crc = 0;
}

void say_line(const char *text)
{
    say(text);
    say_end();
}

void say_numbers(const char *kind, const uint64_t *numbers, uint32_t count)
{
    say("m-");
    say(kind);
    say("-[");
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            put(',');
        say_number(numbers[i]);
    }
    put(']');
    say_end();
}

void say_data(const char *kind, uint64_t offset, const void *bytes, uint32_t count)
{
    say("m-");
    say(kind);
    put('-');
    say_number(offset);
    say("-[");
    say_hex(bytes, count);
    put(']');
    flush();
    uint32_t crc = line_crc;
    put('-');
    say_word(crc);
    say_end();
}

void say_error_open(const char *cause)
{
    errors++;
    say("e-[");
    say(cause);
    say(": ");
}

static void error_close(const char *next)
{
    say("; ");
    say(next);
    say_line("]");
}

void say_error(const char *cause, const char *value, const char *next)
{
    say_error_open(cause);
    for (uint32_t i = 0; value[i] && i < SHOWN_MAX; i++) {
        char letter = value[i];
        put(letter < ' ' || letter > '~' || letter == '[' || letter == ']' ? '?' : letter);
    }
    error_close(next);
}

void say_error_number(const char *cause, int32_t number, const char *next)
{
    say_error_open(cause);
    say_signed(number);
    error_close(next);
}

uint32_t protocol_errors(void)
{
    return errors;
}

static void tell_overruns(void)
{
    uint32_t fresh = uart_overruns() - overruns_told;

    if (!fresh)
        return;
    overruns_told += fresh;
    say_error_number("uart", (int32_t)fresh,
                     "so many times bytes were lost; wait for m-ready before the next command");
}

static uint32_t split(const char *words[PROTOCOL_WORDS_MAX])
{
    uint32_t count = 0;
    char *letter = command;

    for (;;) {
        while (*letter == ' ')
            letter++;
        if (!*letter)
            return count;
        if (count < PROTOCOL_WORDS_MAX)
            words[count] = letter;
        count++;
        while (*letter && *letter != ' ')
            letter++;
        if (*letter)
            *letter++ = 0;
    }
}

/* The next byte of the line, however long it takes. */
static char receive(void)
{
    int byte;

    while ((byte = uart_take()) < 0) {
        board_feed();
        board_us();
        uart_wait(IDLE_TICKS);
    }
    return (char)byte;
}

uint32_t protocol_read(const char *words[PROTOCOL_WORDS_MAX])
{
    for (;;) {
        uint32_t length = 0;
        char byte;
        while ((byte = receive()) != '%')
            if (byte != '\r' && byte != '\n' && byte != 0 && length++ < PROTOCOL_COMMAND_MAX)
                command[length - 1] = byte;
        board_feed();
        tell_overruns();
        if (length <= PROTOCOL_COMMAND_MAX) {
            command[length] = 0;
            return split(words);
        }
        say_error_number("command too long", (int32_t)length,
                         "send at most 600 characters before the %");
        say_line("m-ready");
    }
}

bool protocol_stopped(void)
{
    if (!uart_waiting())
        return false;
    for (;;) {
        int byte = uart_take();
        if (byte == '%')
            return true;
        if (byte < 0) {
            uart_wait(QUIET_TICKS);
            if (!uart_waiting())
                return true;
        }
    }
}

bool parse_number(const char *word, uint32_t least, uint32_t most, uint32_t *number)
{
    uint64_t value = 0;

    if (!*word)
        return false;
    for (; *word; word++) {
        if (*word < '0' || *word > '9' || value > most)
            return false;
        value = value * 10 + (uint32_t)(*word - '0');
    }
    *number = (uint32_t)value;
    return value >= least && value <= most;
}

bool same(const char *left, const char *right)
{
    while (*left && *left == *right)
        left++, right++;
    return *left == *right;
}
