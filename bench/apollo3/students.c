#include "students.h"

#include <stddef.h>

#include "events.h"
#include "image.h"
#include "student.h"
#include "window.h"

#define USER_SLOT ((const uint32_t *)0x000E0000)
#define USER_SLOT_BYTES 0x10000u
#define ERASED 0xFFFFFFFFu

/* Made by firmware.py: the built-in images and their sizes in bytes, NULL at the end. */
extern const uint32_t *const built_in[];
extern const uint32_t built_in_bytes[];

static int check(const void *image, uint32_t room)
{
    int reason = student_check(image, room);

    if (reason == 0 && (!window_fits(image) || image_classes(image) > EVENTS_CLASSES_MAX ||
                        image_arena_bytes(image) > STUDENTS_ARENA_BYTES))
        return STUDENTS_TOO_LARGE;
    return reason;
}

const void *student_of(uint32_t rate_hz, int *reason)
{
    *reason = 0;
    if (*USER_SLOT != ERASED) {
        *reason = check(USER_SLOT, USER_SLOT_BYTES);
        if (*reason || image_rate_hz(USER_SLOT) == rate_hz)
            return *reason ? NULL : USER_SLOT;
    }
    for (uint32_t i = 0; built_in[i]; i++)
        if (image_rate_hz(built_in[i]) == rate_hz) {
            *reason = check(built_in[i], built_in_bytes[i]);
            return *reason ? NULL : built_in[i];
        }
    return NULL;
}

bool student_is_user(const void *image)
{
    return image == USER_SLOT;
}
