/* Written by tables.py; don't edit. */
#ifndef KILOHEAR_LOGMEL_TABLES_H
#define KILOHEAR_LOGMEL_TABLES_H

/* 10 log10(m) for m from 1 to 2, less 127 octaves, as a polynomial; decibels per octave;
 * the largest error before rounding. */
#define LOGMEL_LOG_0 -389.828888f
#define LOGMEL_LOG_1 12.1291351f
#define LOGMEL_LOG_2 -6.25641203f
#define LOGMEL_LOG_3 1.88454461f
#define LOGMEL_LOG_4 -0.236129969f
#define LOGMEL_LOG_PER_OCTAVE 3.01029992f
#define LOGMEL_LOG_ERROR_DB 3.5e-04f

#endif
