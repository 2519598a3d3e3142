/* What each command does; PROTOCOL.md is their description. */
#include <string.h>

#include "board.h"
#include "cycles.h"
#include "fft.h"
#include "image.h"
#include "main.h"
#include "protocol.h"
#include "student.h"
#include "students.h"
#include "version.h"

enum {
    LINE_SAMPLES = 64,
    LINE_BYTES = 64,
    STREAM_LIVE_HZ = 2000, /* the fastest rate that the serial line keeps up with */
    MANY = 1000000,
    FEED_WINDOWS = 8, /* inferences between two feeds of the watchdog */
};

static float db[WINDOW_BANDS_MAX];

static void wrong(const char *value, const char *range)
{
    say_error("wrong argument", value, range);
}

/* One number of a range; the error where it is none. */
static bool number_of(const char *word, uint32_t least, uint32_t most, const char *range,
                      uint32_t *number)
{
    if (word && parse_number(word, least, most, number))
        return true;
    wrong(word ? word : "none given", range);
    return false;
}

static bool has_student(void)
{
    if (state.student)
        return true;
    if (state.reason == 0)
        say_error_number("no student", (int32_t)state.rate->nominal_hz,
                         "build one in or flash one into the user slot, or take another rate");
    else
        say_error_number("corrupt student", state.reason, "flash the user slot again, or erase it");
    return false;
}

static void capture_failed(void)
{
    say_error("capture failed", state.source == SOURCE_PDM ? "pdm" : "adc",
              "the microphone's block gave no samples in time: look at its power and clock");
}

void say_label(uint32_t index)
{
    char letter[2] = {0};

    for (const char *label = image_label(state.student, index); *label; label++) {
        letter[0] = *label == ',' ? ';' : *label;
        say(letter);
    }
}

void say_results(void)
{
    uint32_t classes = image_classes(state.student);

    say("m-results-[");
    for (uint32_t i = 0; i < classes; i++) {
        say(i ? "," : "");
        say_fraction(state.probabilities[i]);
    }
    say_line("]");
    say("m-logits-[");
    for (uint32_t i = 0; i < classes; i++) {
        say(i ? "," : "");
        say_signed(state.logits[i]);
    }
    say_line("]");
}

void say_cycles(uint32_t stages)
{
    static const char *const names[CYCLES_STAGES] = {"capture", "decimator", "logmel",
                                                     "fft",     "student",   "events"};
    const char *before = "m-cycles-[";

    for (uint32_t i = 0; i < CYCLES_STAGES; i++)
        if (stages >> i & 1) {
            say(before);
            say(names[i]);
            say("=");
            say_number(cycles[i]);
            before = ",";
        }
    say_line("]");
}

void say_window(uint32_t index, uint64_t start_us, uint64_t end_us)
{
    uint64_t done_us = board_us();
    uint32_t best = 0;

    for (uint32_t i = 1; i < image_classes(state.student); i++)
        if (state.probabilities[i] > state.probabilities[best])
            best = i;
    say("m-window-[");
    say_number(index);
    say(",");
    say_number(best);
    say(",");
    say_label(best);
    const uint64_t numbers[] = {start_us, end_us, done_us, capture_overruns()};
    for (uint32_t i = 0; i < 4; i++) {
        say(",");
        say_number(numbers[i]);
    }
    say_line("]");
    say_results();
    say("m-features-[");
    say_word(crc32(0, buffer, image_frames(state.student) * image_bands(state.student)));
    say_line("]");
    say_cycles(1u << CYCLES_CAPTURE | 1u << CYCLES_DECIMATOR | 1u << CYCLES_LOGMEL |
               1u << CYCLES_STUDENT | 1u << CYCLES_EVENTS);
}

/* ---- MLPerf Tiny's ---- */

static void command_name(const char *const *words)
{
    (void)words;
    say_line("m-name-dut-[kilohear-apollo3]");
}

static void command_profile(const char *const *words)
{
    (void)words;
    say_line("m-profile-[kilohear board 1]");
    say("m-model-[");
    say(state.student ? image_name(state.student) : "none");
    say_line("]");
}

static void command_timestamp(const char *const *words)
{
    (void)words;
    say("m-lap-us-");
    say_number(board_us());
    say_end();
}

static int digit(char letter)
{
    return letter >= '0' && letter <= '9'   ? letter - '0'
           : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
           : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10
                                            : -1;
}

static void db_load(const char *word)
{
    uint32_t bytes;

    if (!number_of(word, 1, sizeof buffer, "db load takes 1 to 32768 bytes", &bytes))
        return;
    buffer_bytes = bytes;
    buffer_filled = 0;
    memset(buffer, 0, sizeof buffer);
    say("m-[Expecting ");
    say_number(bytes);
    say_line(" bytes]");
}

static void db_hex(const char *hex)
{
    uint32_t digits = 0, room = buffer_bytes - buffer_filled;

    for (; hex[digits]; digits++)
        if (digit(hex[digits]) < 0) {
            say_error("bad hex", hex, "send pairs of 0-9, a-f; none of these bytes were taken");
            return;
        }
    if (digits % 2) {
        say_error("bad hex", hex, "send two digits a byte; none of these bytes were taken");
        return;
    }
    if (digits / 2 > room) {
        say_error_number("too many bytes", (int32_t)(digits / 2),
                         "more than db load announced; none of these bytes were taken");
        return;
    }
    for (uint32_t i = 0; i < digits; i += 2)
        buffer[buffer_filled++] = (uint8_t)(digit(hex[i]) << 4 | digit(hex[i + 1]));
    if (buffer_filled == buffer_bytes)
        say_line("m-load-done");
}

static void db_print(void)
{
    for (uint32_t i = 0; i < buffer_bytes; i++) {
        say(i % 8 ? "-" : "m-buffer-");
        say_hex(buffer + i, 1);
        if (i % 8 == 7 || i + 1 == buffer_bytes) {
            say_end();
            board_feed();
        }
    }
}

static void command_db(const char *const *words)
{
    if (!words[1])
        wrong("none given", "db takes load N, print, or hex digits");
    else if (same(words[1], "load"))
        db_load(words[2]);
    else if (same(words[1], "print"))
        db_print();
    else
        db_hex(words[1]);
}

/* Whether the buffer is filled with `bytes`, or with more where that is allowed. */
static bool has_length(uint32_t bytes, bool more)
{
    if (buffer_filled == bytes || (more && buffer_filled > bytes))
        return true;
    say_error_open("wrong length");
    say_number(buffer_filled);
    say(" bytes; db load ");
    say_number(bytes);
    say_line(more ? " or more]" : "]");
    return false;
}

static void command_infer(const char *const *words)
{
    uint32_t number = 1, warm = 10;

    if (words[1] && !number_of(words[1], 1, 1000, "infer takes 1 to 1000 runs", &number))
        return;
    if (words[1] && words[2] &&
        !number_of(words[2], 0, 1000, "infer takes 0 to 1000 warm-ups", &warm))
        return;
    if (!has_student())
        return;
    uint32_t bytes = image_frames(state.student) * image_bands(state.student);
    if (!has_length(bytes, false))
        return;
    say("m-warmup-start-");
    say_number(warm);
    say_end();
    for (uint32_t i = 0; i < warm; i++) {
        infer();
        if (i % FEED_WINDOWS == 0)
            board_feed();
    }
    say_line("m-warmup-done");
    say("m-infer-start-");
    say_number(number);
    say_end();
    command_timestamp(words);
    board_pin(PIN_WINDOW, true);
    for (uint32_t i = 0; i < number; i++) {
        cycles[CYCLES_STUDENT] = 0;
        infer();
        if (i % FEED_WINDOWS == 0)
            board_feed();
    }
    board_pin(PIN_WINDOW, false);
    command_timestamp(words);
    say_line("m-infer-done");
    say_results();
    say_cycles(1u << CYCLES_STUDENT);
}

static void command_results(const char *const *words)
{
    (void)words;
    if (state.has_results)
        say_results();
    else
        say_error("no results", "none yet", "infer or listen first");
}

/* ---- settings ---- */

static void say_rate(void)
{
    say("m-rate-[");
    say_number(state.rate->nominal_hz);
    say(",");
    say(state.rate->effective_hz);
    say(",");
    say_number(state.rate->clock_hz);
    say(",");
    say(state.rate->sampled_hz);
    say(",");
    say_number(state.rate->by);
    say_line("]");
}

static void command_rate(const char *const *words)
{
    uint32_t hz = 0;

    if (words[1]) {
        const capture_rate_t *rate = NULL;
        if (parse_number(words[1], 1000, 16000, &hz))
            rate = capture_rate(state.source, hz);
        if (!rate) {
            wrong(words[1], "rate takes 16000, 8000, 4000, 2000 or 1000");
            return;
        }
        state.rate = rate;
        state.has_results = false;
        state.student = student_of(hz, &state.reason);
    }
    say_rate();
}

static void command_use(const char *const *words)
{
    if (words[1] && !same(words[1], "float32") && !same(words[1], "q15")) {
        wrong(words[1], "use takes float32 or q15");
        return;
    }
    if (words[1])
        state.q15 = same(words[1], "q15");
    say_line(state.q15 ? "m-use-[q15]" : "m-use-[float32]");
}

static void command_source(const char *const *words)
{
    if (words[1] && !same(words[1], "pdm") && !same(words[1], "adc")) {
        wrong(words[1], "source takes pdm or adc");
        return;
    }
    if (words[1]) {
        state.source = same(words[1], "adc") ? SOURCE_ADC : SOURCE_PDM;
        state.rate = capture_rate(state.source, state.rate->nominal_hz);
    }
    say_line(state.source == SOURCE_PDM ? "m-source-[pdm]" : "m-source-[adc]");
}

static void command_line(const char *const *words)
{
    if (words[1] && !same(words[1], "on") && !same(words[1], "off")) {
        wrong(words[1], "line takes on or off");
        return;
    }
    if (words[1])
        state.mute = same(words[1], "off");
    say_line(state.mute ? "m-line-[off]" : "m-line-[on]");
}

static void command_version(const char *const *words)
{
    const void *student = state.student;

    (void)words;
    say_line("m-version-[" FIRMWARE_HASH "]");
    if (!student) {
        say("m-student-[none,,,");
        say_number(state.rate->nominal_hz);
        say_line(",]");
        return;
    }
    say(student_is_user(student) ? "m-student-[user," : "m-student-[built-in,");
    say(image_name(student));
    say(",");
    say(image_version(student));
    say(",");
    say_number(image_rate_hz(student));
    say(",");
    say_hex(image_card_hash(student), IMAGE_HASH_BYTES);
    say_line("]");
    const uint64_t shape[] = {image_samples(student), image_frames(student), image_bands(student),
                              image_classes(student), image_window(student), image_hop(student),
                              image_fft(student)};
    say_numbers("shape", shape, 7);
    say("m-labels-[");
    for (uint32_t i = 0; i < image_classes(student); i++) {
        say(i ? "," : "");
        say_label(i);
    }
    say_line("]");
}

/* ---- from the microphone ---- */

static void command_listen(const char *const *words)
{
    uint32_t windows;

    if (number_of(words[1], state.mute, MANY, "listen takes 1 to 1000000 windows, or 0 with line on",
                  &windows) &&
        has_student() && !listen(windows))
        capture_failed();
}

/* Blocks of samples, handed to `take` until it has enough, the host stops it, or capture fails. */
static bool gather(uint32_t wanted, uint32_t *taken, uint32_t *overruns,
                   void (*take)(const int16_t *samples, uint32_t count, uint32_t offset))
{
    bool heard = true, stopped = false;

    memset(cycles, 0, sizeof cycles);
    *taken = 0;
    blocks_start();
    while (*taken < wanted && !stopped) {
        const int16_t *samples;
        uint32_t count;
        heard = block_next(&samples, &count);
        if (!heard)
            break;
        uint32_t some = count < wanted - *taken ? count : wanted - *taken;
        take(samples, some, *taken);
        *taken += some;
        block_wipe();
        stopped = protocol_stopped();
    }
    *overruns = capture_overruns();
    blocks_stop();
    return heard;
}

static void stream_say(const int16_t *samples, uint32_t count, uint32_t offset)
{
    for (uint32_t i = 0; i < count; i += LINE_SAMPLES) {
        uint32_t some = count - i < LINE_SAMPLES ? count - i : LINE_SAMPLES;
        say_data("stream", offset + i, samples + i, some * 2);
        board_feed();
    }
}

static void stream_keep(const int16_t *samples, uint32_t count, uint32_t offset)
{
    memcpy((int16_t *)(void *)buffer + offset, samples, count * 2);
}

static void command_stream(const char *const *words)
{
    bool live = state.rate->nominal_hz <= STREAM_LIVE_HZ;
    uint32_t wanted, taken, overruns;

    if (!number_of(words[1], 1, live ? MANY : sizeof buffer / 2,
                   live ? "stream takes 1 to 1000000 samples"
                        : "stream takes 1 to 16384 samples at this rate",
                   &wanted))
        return;
    bool heard = gather(wanted, &taken, &overruns, live ? stream_say : stream_keep);
    if (!live) {
        stream_say((const int16_t *)(const void *)buffer, taken, 0);
        memset(buffer, 0, sizeof buffer);
        buffer_bytes = buffer_filled = 0;
    }
    say_numbers("streamed", (uint64_t[]){taken, overruns}, 2);
    if (!heard)
        capture_failed();
}

static struct {
    uint32_t points, filled, blocks, peak;
    int16_t block[FFT_MOST] __attribute__((aligned(4)));
    float signal[FFT_MOST];
    union {
        complex_f32 f32[FFT_MOST_BINS];
        complex_q15 q15[FFT_MOST_BINS];
    } spectrum;
} fft IN_SRAM;

static uint32_t fft_peak(void)
{
    uint32_t best = 1;
    float most = -1.0f;

    for (uint32_t k = 1; k <= fft.points / 2; k++) {
        float re = state.q15 ? fft.spectrum.q15[k].re : fft.spectrum.f32[k].re;
        float im = state.q15 ? fft.spectrum.q15[k].im : fft.spectrum.f32[k].im;
        float power = re * re + im * im;
        if (power > most) {
            most = power;
            best = k;
        }
    }
    return best;
}

static void fft_take(const int16_t *samples, uint32_t count, uint32_t offset)
{
    uint32_t start = board_cycles();

    (void)offset;
    while (count) {
        uint32_t some = fft.points - fft.filled < count ? fft.points - fft.filled : count;
        memcpy(fft.block + fft.filled, samples, some * 2);
        fft.filled += some;
        samples += some;
        count -= some;
        if (fft.filled < fft.points)
            break;
        fft.filled = 0;
        fft.blocks++;
        if (state.q15) {
            fft_q15(fft.block, fft.spectrum.q15, fft.points);
        } else {
            for (uint32_t i = 0; i < fft.points; i++)
                fft.signal[i] = (float)fft.block[i] * (1.0f / 32768.0f);
            fft_f32(fft.signal, fft.spectrum.f32, fft.points);
        }
    }
    cycles_add(CYCLES_FFT, start);
}

static void command_fft(const char *const *words)
{
    uint32_t blocks, taken, overruns;

    fft.points = state.rate->nominal_hz * 4 / 125; /* 32 ms */
    if (!number_of(words[1], 1, MANY, "fft takes 1 to 1000000 blocks", &blocks))
        return;
    fft.filled = fft.blocks = 0;
    command_timestamp(words);
    bool heard = gather(blocks * fft.points, &taken, &overruns, fft_take);
    command_timestamp(words);
    uint32_t peak = fft.blocks ? fft_peak() : 0;
    say_numbers("fft", (uint64_t[]){fft.points, fft.blocks, peak, overruns}, 4);
    say_cycles(1u << CYCLES_CAPTURE | 1u << CYCLES_DECIMATOR | 1u << CYCLES_FFT);
    memset(&fft, 0, sizeof fft);
    if (!heard)
        capture_failed();
}

/* ---- from the buffer ---- */

static void command_frame(const char *const *words)
{
    int8_t quantised[WINDOW_BANDS_MAX];

    (void)words;
    if (!has_student())
        return;
    uint32_t window = image_window(state.student), bands = image_bands(state.student);
    uint32_t hop = image_hop(state.student);
    if (!has_length(window * 2, true))
        return;
    uint32_t frames = (buffer_filled / 2 - window) / hop + 1;
    memset(cycles, 0, sizeof cycles);
    for (uint32_t i = 0; i < frames; i++) {
        const int16_t *samples = (const int16_t *)(const void *)buffer + i * hop;
        uint32_t start = board_cycles();
        window_logmel(state.student, state.q15, samples, db);
        student_quantise(state.student, db, quantised);
        cycles_add(CYCLES_LOGMEL, start);
        say_data("frame", i, db, bands * sizeof db[0]);
        say_data("quantised", i, quantised, bands);
        board_feed();
    }
    say_numbers("frames", (uint64_t[]){frames}, 1);
    say_cycles(1u << CYCLES_LOGMEL);
}

static void command_features(const char *const *words)
{
    (void)words;
    for (uint32_t i = 0; i < buffer_filled; i += LINE_BYTES) {
        uint32_t some = buffer_filled - i < LINE_BYTES ? buffer_filled - i : LINE_BYTES;
        say_data("data", i, buffer + i, some);
        board_feed();
    }
    say_numbers("data-end", (uint64_t[]){buffer_filled}, 1);
}

/* ---- the board ---- */

static void command_sleep(const char *const *words)
{
    uint32_t ms;

    if (!number_of(words[1], 1, 3600000, "sleep takes 1 to 3600000 ms", &ms))
        return;
    uint64_t begin = board_us();
    board_sleep_ms(ms);
    say_numbers("sleep", (uint64_t[]){ms, board_us() - begin}, 2);
}

static void command_stats(const char *const *words)
{
    const struct {
        const char *name;
        uint32_t value;
    } stats[] = {
        {"pdm_overruns=", capture_overruns_ever()}, {",uart_overruns=", uart_overruns()},
        {",errors=", protocol_errors()},        {",sleeps=", board_sleeps()},
        {",stack_used=", board_stack_used()},   {",stack_size=", board_stack_size()},
    };

    (void)words;
    say("m-stats-[");
    for (uint32_t i = 0; i < sizeof stats / sizeof stats[0]; i++) {
        say(stats[i].name);
        say_number(stats[i].value);
    }
    say(",reset=");
    say(board_reset_cause());
    say_line("]");
}

static void command_stop(const char *const *words)
{
    (void)words;
}

static void command_help(const char *const *words);

static const struct {
    const char *name;
    void (*run)(const char *const *words); /* words after the last one are NULL */
    uint32_t arguments;                    /* most of them */
    const char *help;
} commands[] = {
    {"name", command_name, 0, "name: what this is"},
    {"profile", command_profile, 0, "profile: which dialect, which student"},
    {"timestamp", command_timestamp, 0, "timestamp: microseconds since reset"},
    {"help", command_help, 0, "help: these lines"},
    {"db", command_db, 2, "db load N, db HEX, db print: the buffer"},
    {"infer", command_infer, 2, "infer N W: N inferences of the buffer's features after W"},
    {"results", command_results, 0, "results: the last probabilities and logits"},
    {"rate", command_rate, 1, "rate HZ: 16000, 8000, 4000, 2000 or 1000"},
    {"use", command_use, 1, "use float32, use q15: arithmetic of log-mel and FFT"},
    {"source", command_source, 1, "source pdm, source adc: which microphone"},
    {"line", command_line, 1, "line on, line off: the serial line's power while listening"},
    {"version", command_version, 0, "version: firmware and student"},
    {"listen", command_listen, 1, "listen N: N windows from the microphone, 0: until stop"},
    {"stream", command_stream, 1, "stream N: N samples from the microphone"},
    {"fft", command_fft, 1, "fft N: N blocks of 32 ms from the microphone, an FFT each"},
    {"frame", command_frame, 0, "frame: log-mel of the buffer's int16 samples"},
    {"features", command_features, 0, "features: the last window's features, or the buffer"},
    {"sleep", command_sleep, 1, "sleep MS: deep sleep, microphone off"},
    {"stats", command_stats, 0, "stats: overruns, errors, sleeps, stack, reset"},
    {"stop", command_stop, 0, "stop: end listen, stream or fft"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void command_help(const char *const *words)
{
    (void)words;
    for (uint32_t i = 0; i < COMMANDS; i++) {
        say("m-help-[");
        say(commands[i].help);
        say_line("]");
    }
}

void command_run(const char *const *words, uint32_t count)
{
    const char *padded[PROTOCOL_WORDS_MAX + 1] = {NULL};

    if (count == 0)
        return;
    for (uint32_t i = 0; i < count && i < PROTOCOL_WORDS_MAX; i++)
        padded[i] = words[i];
    for (uint32_t i = 0; i < COMMANDS; i++) {
        if (!same(words[0], commands[i].name))
            continue;
        if (count - 1 > commands[i].arguments)
            wrong(padded[commands[i].arguments + 1], "too many; see help");
        else
            commands[i].run(padded);
        return;
    }
    say_error("unknown command", words[0], "see help");
}
