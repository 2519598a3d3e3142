/* The serial line: commands that end with '%' in, lines and `m-ready` out; see PROTOCOL.md. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

enum { PROTOCOL_COMMAND_MAX = 600, PROTOCOL_WORDS_MAX = 4 };

/* Wait for a command; return its words and their number. One that is too long is answered and
   passed over. */
uint32_t protocol_read(const char *words[PROTOCOL_WORDS_MAX]);

/* True once the host has sent anything; that is then passed over up to its '%'. */
bool protocol_stopped(void);

/* Errors answered and UART overruns seen since reset. */
uint32_t protocol_errors(void);

/* Pieces of a line, and its end. */
void say(const char *text);
void say_number(uint64_t number);
void say_signed(int32_t number);
void say_fraction(float value); /* 0 to 1, six decimals */
void say_hex(const void *bytes, uint32_t count);
void say_word(uint32_t word); /* eight hex digits */
void say_end(void);

/* A line of one piece. */
void say_line(const char *text);

/* m-KIND-[NUMBER] and the like, whole. */
void say_numbers(const char *kind, const uint64_t *numbers, uint32_t count);

/* A checked line: m-KIND-OFFSET-[HEX]-CRC. */
void say_data(const char *kind, uint64_t offset, const void *bytes, uint32_t count);

/* Begin an error: e-[CAUSE: and a blank. */
void say_error_open(const char *cause);

/* e-[CAUSE: VALUE; NEXT], the value made safe. */
void say_error(const char *cause, const char *value, const char *next);

/* The same of a number: e-[CAUSE: NUMBER; NEXT]. */
void say_error_number(const char *cause, int32_t number, const char *next);

/* The decimal number of a word, false where it isn't one of `least` to `most`. */
bool parse_number(const char *word, uint32_t least, uint32_t most, uint32_t *number);

bool same(const char *left, const char *right);

/* CRC-32 as zlib's: 0 for nothing, and on from `crc`. */
uint32_t crc32(uint32_t crc, const void *bytes, uint32_t count);

#endif
