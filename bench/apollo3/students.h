/* Which student serves a rate: the one in the user slot, or the one that is built in. */
#ifndef STUDENTS_H
#define STUDENTS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    STUDENTS_ARENA_BYTES = 43008, /* what the TCM has room for */
    STUDENTS_TOO_LARGE = -100, /* for the board's buffers */
};

/* The checked image of a rate, NULL where there's none or it is corrupt; then `reason` holds why:
   0 for none, else what student_check says or one of the above. A user slot that is written but
   corrupt is refused, not passed over. */
const void *student_of(uint32_t rate_hz, int *reason);

/* Whether an image that `student_of` returned lies in the user slot. */
bool student_is_user(const void *image);

#endif
