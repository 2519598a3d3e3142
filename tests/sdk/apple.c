/* A stand-in for AudioToolbox's recording queue and for a little of Objective-C's runtime.

   Signatures and structures are those of AudioQueue.h and CoreAudioBaseTypes.h. A queue calls back
   from a thread of its own and plays the next act of a script: sound, zeros, a jump of the sample
   time, an interruption and so on, as fast as it gets its buffers back. */

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t OSStatus;
typedef uint32_t UInt32;

typedef struct {
  double mSampleRate;
  UInt32 mFormatID, mFormatFlags, mBytesPerPacket, mFramesPerPacket;
  UInt32 mBytesPerFrame, mChannelsPerFrame, mBitsPerChannel, mReserved;
} AudioStreamBasicDescription;

typedef struct {
  int16_t mSubframes, mSubframeDivisor;
  UInt32 mCounter, mType, mFlags;
  int16_t mHours, mMinutes, mSeconds, mFrames;
} SMPTETime;

typedef struct {
  double mSampleTime;
  uint64_t mHostTime;
  double mRateScalar;
  uint64_t mWordClockTime;
  SMPTETime mSMPTETime;
  UInt32 mFlags, mReserved;
} AudioTimeStamp;

typedef struct {
  UInt32 mAudioDataBytesCapacity;
  void *mAudioData;
  UInt32 mAudioDataByteSize;
  void *mUserData;
  UInt32 mPacketDescriptionCapacity;
  void *mPacketDescriptions;
  UInt32 mPacketDescriptionCount;
} AudioQueueBuffer;

typedef struct Queue Queue;
typedef void (*InputCallback)(void *, Queue *, AudioQueueBuffer *, const AudioTimeStamp *, UInt32,
                              const void *);
typedef void (*Listener)(void *, Queue *, UInt32);

enum { IS_RUNNING = 0x6171726e /* aqrn */, STREAM_DESCRIPTION = 0x61716674 /* aqft */ };
enum { LINEAR_PCM = 0x6c70636d /* lpcm */, FLOAT_PACKED = 9 };
enum {
  UNSUPPORTED = 0x666d743f, /* fmt? */
  INVALID_BUFFER = -66687,
  INVALID_PROPERTY_SIZE = -66683,
  QUEUE_INVALIDATED = -66671,
  ENQUEUED_TWICE = -66666,
  DURING_RESET = -66632,
};

/* The same numbers as in apple.py. */
enum { SOUND, ZEROS, JUMP, INTERRUPT, WAIT, INVALIDATE, FORGET_TIME, NO_TIME };
enum { NEW_INPUT, ALLOCATE, ENQUEUE, START, LISTEN, FUNCTIONS };
enum { QUEUES, BUFFERS, THREADS, DIRTY, POOLS, COUNTERS };
enum { MOST = 64 };

typedef struct {
  int kind, value;
} Step;
typedef struct {
  Step steps[MOST];
  int length;
} Act;

struct Queue {
  AudioStreamBasicDescription format;
  InputCallback callback;
  void *user, *listener_user;
  Listener listener;
  AudioQueueBuffer *buffers[MOST], *ready[MOST];
  int allocated, enqueued;
  pthread_t thread;
  int has_thread, is_running, is_stopping, is_invalid;
  int64_t made;  /* samples, and what a jump left out */
  int64_t since; /* where the sample time begins */
  int has_time, odd;
  Act act;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static Act acts[MOST];
static int first_act, last_act, waiting, proceeds, counters[COUNTERS], failures[FUNCTIONS];
static double lowest_hz, reported_hz, ticks, jitter;

/* The script */

void stand_in_reset(void) {
  first_act = last_act = waiting = proceeds = 0;
  memset(counters, 0, sizeof counters);
  memset(failures, 0, sizeof failures);
  lowest_hz = reported_hz = jitter = 0;
  ticks = 1;
}

void stand_in_act(const int *kinds, const int *values, int length) {
  pthread_mutex_lock(&mutex);
  Act *act = &acts[last_act++ % MOST];
  act->length = length;
  for (int i = 0; i < length; i++) act->steps[i] = (Step){kinds[i], values[i]};
  pthread_mutex_unlock(&mutex);
}

void stand_in_proceed(void) {
  pthread_mutex_lock(&mutex);
  proceeds++;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

/* Return once a queue is at a WAIT. */
void stand_in_await(void) {
  pthread_mutex_lock(&mutex);
  while (waiting <= proceeds) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
}

void stand_in_fail(int function, int status) { failures[function] = status; }
void stand_in_rates(double lowest, double reported) { lowest_hz = lowest, reported_hz = reported; }
void stand_in_times(double per_sample, double wobble) { ticks = per_sample, jitter = wobble; }

int stand_in_count(int what) {
  pthread_mutex_lock(&mutex);
  int count = counters[what];
  pthread_mutex_unlock(&mutex);
  return count;
}

static OSStatus failure(int function) {
  OSStatus status = failures[function];
  failures[function] = 0;
  return status;
}

static void add(int what, int number) {
  pthread_mutex_lock(&mutex);
  counters[what] += number;
  pthread_mutex_unlock(&mutex);
}

static int is_zero(const AudioQueueBuffer *buffer) {
  const char *bytes = buffer->mAudioData;
  for (UInt32 i = 0; i < buffer->mAudioDataBytesCapacity; i++)
    if (bytes[i]) return 0;
  return 1;
}

/* The queue's thread */

static void set_running(Queue *queue, int is_running) {
  if (queue->is_running == is_running) return;
  queue->is_running = is_running;
  Listener listener = queue->listener;
  if (listener) listener(queue->listener_user, queue, IS_RUNNING);
}

static void fill(Queue *queue, AudioQueueBuffer *buffer, int samples, int is_sound) {
  double rate_hz = queue->format.mSampleRate;
  float *data = buffer->mAudioData;
  for (int i = 0; i < samples; i++)
    data[i] = is_sound ? (float)(0.5 * sin(2 * M_PI * 200 * (queue->made + i) / rate_hz)) : 0.0f;
  buffer->mAudioDataByteSize = samples * sizeof(float);
  queue->made += samples;
}

/* Fill a buffer as soon as there is one and call back; 0 where the queue stops before. */
static int give(Queue *queue, int is_sound, double share) {
  pthread_mutex_lock(&mutex);
  while (!queue->enqueued && !queue->is_stopping) pthread_cond_wait(&changed, &mutex);
  if (!queue->enqueued) {
    pthread_mutex_unlock(&mutex);
    return 0;
  }
  AudioQueueBuffer *buffer = queue->ready[0];
  memmove(queue->ready, queue->ready + 1, --queue->enqueued * sizeof *queue->ready);
  pthread_mutex_unlock(&mutex);

  double wobble = (queue->odd ^= 1) ? jitter : -jitter;
  AudioTimeStamp time = {0};
  time.mSampleTime = (queue->made - queue->since + wobble) * ticks;
  time.mFlags = queue->has_time;
  int samples = (int)(share * (buffer->mAudioDataBytesCapacity / sizeof(float)));
  fill(queue, buffer, samples, is_sound);
  queue->callback(queue->user, queue, buffer, &time, 0, NULL);
  return 1;
}

static void wait_for_sign(Queue *queue) {
  pthread_mutex_lock(&mutex);
  waiting++;
  pthread_cond_broadcast(&changed);
  while (!proceeds && !queue->is_stopping) pthread_cond_wait(&changed, &mutex);
  if (proceeds) proceeds--;
  waiting--;
  pthread_mutex_unlock(&mutex);
}

static void play(Queue *queue, Step step) {
  switch (step.kind) {
    case SOUND:
    case ZEROS:
      for (int i = 0; i < step.value && !queue->is_stopping; i++)
        if (!give(queue, step.kind == SOUND, 1.0)) return;
      break;
    case JUMP:
      queue->made += step.value;
      break;
    case INTERRUPT:
      set_running(queue, 0);
      break;
    case WAIT:
      wait_for_sign(queue);
      break;
    case INVALIDATE:
      queue->is_invalid = 1;
      break;
    case FORGET_TIME:
      queue->since = queue->made;
      break;
    case NO_TIME:
      queue->has_time = 0;
      break;
  }
}

static void *record(void *argument) {
  Queue *queue = argument;
  set_running(queue, 1);
  for (int i = 0; i < queue->act.length && !queue->is_stopping; i++)
    play(queue, queue->act.steps[i]);
  pthread_mutex_lock(&mutex);
  while (!queue->is_stopping) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  if (queue->is_running && queue->enqueued) give(queue, 1, 0.5); /* what was begun is given too, */
  if (queue->enqueued) fill(queue, queue->ready[0], 100, 1);     /* or is never given back */
  set_running(queue, 0);
  return NULL;
}

/* AudioToolbox */

OSStatus AudioQueueNewInput(const AudioStreamBasicDescription *format, InputCallback callback,
                            void *user, void *run_loop, void *mode, UInt32 flags, Queue **made) {
  OSStatus status = failure(NEW_INPUT);
  if (status) return status;
  int is_known = format->mFormatID == LINEAR_PCM && format->mFormatFlags == FLOAT_PACKED &&
                 format->mBytesPerPacket == 4 && format->mFramesPerPacket == 1 &&
                 format->mBytesPerFrame == 4 && format->mChannelsPerFrame == 1 &&
                 format->mBitsPerChannel == 32 && format->mReserved == 0;
  if (!is_known || run_loop || mode || flags || format->mSampleRate < lowest_hz) return UNSUPPORTED;
  Queue *queue = calloc(1, sizeof *queue);
  queue->format = *format;
  if (reported_hz) queue->format.mSampleRate = reported_hz;
  queue->callback = callback;
  queue->user = user;
  queue->has_time = 1;
  *made = queue;
  add(QUEUES, 1);
  return 0;
}

OSStatus AudioQueueAllocateBuffer(Queue *queue, UInt32 size, AudioQueueBuffer **made) {
  OSStatus status = failure(ALLOCATE);
  if (status) return status;
  AudioQueueBuffer *buffer = calloc(1, sizeof *buffer);
  buffer->mAudioData = calloc(1, size);
  buffer->mAudioDataBytesCapacity = size;
  queue->buffers[queue->allocated++] = buffer;
  *made = buffer;
  add(BUFFERS, 1);
  return 0;
}

OSStatus AudioQueueEnqueueBuffer(Queue *queue, AudioQueueBuffer *buffer, UInt32 number,
                                 const void *descriptions) {
  OSStatus status = failure(ENQUEUE);
  if (status) return status;
  if (queue->is_invalid) return QUEUE_INVALIDATED;
  int is_own = 0, is_there = 0;
  for (int i = 0; i < queue->allocated; i++) is_own |= queue->buffers[i] == buffer;
  if (!is_own || number || descriptions) return INVALID_BUFFER;
  if (!is_zero(buffer)) add(DIRTY, 1);
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < queue->enqueued; i++) is_there |= queue->ready[i] == buffer;
  status = is_there ? ENQUEUED_TWICE : queue->is_stopping ? DURING_RESET : 0;
  if (!status) queue->ready[queue->enqueued++] = buffer;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  return status;
}

OSStatus AudioQueueStart(Queue *queue, const AudioTimeStamp *when) {
  OSStatus status = failure(START);
  if (status || when) return status ? status : -50;
  pthread_mutex_lock(&mutex);
  if (first_act < last_act) queue->act = acts[first_act++ % MOST];
  pthread_mutex_unlock(&mutex);
  queue->has_thread = 1;
  add(THREADS, 1);
  return pthread_create(&queue->thread, NULL, record, queue);
}

OSStatus AudioQueueStop(Queue *queue, unsigned char immediately) {
  if (!immediately) return -50;
  pthread_mutex_lock(&mutex);
  queue->is_stopping = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  if (queue->has_thread) {
    pthread_join(queue->thread, NULL);
    queue->has_thread = 0;
    add(THREADS, -1);
  }
  return queue->is_invalid ? QUEUE_INVALIDATED : 0;
}

OSStatus AudioQueueDispose(Queue *queue, unsigned char immediately) {
  AudioQueueStop(queue, 1);
  for (int i = 0; i < queue->allocated; i++) {
    if (!is_zero(queue->buffers[i])) add(DIRTY, 1);
    free(queue->buffers[i]->mAudioData);
    free(queue->buffers[i]);
    add(BUFFERS, -1);
  }
  free(queue);
  add(QUEUES, -1);
  return immediately ? 0 : -50;
}

OSStatus AudioQueueGetProperty(Queue *queue, UInt32 property, void *data, UInt32 *size) {
  if (queue->is_invalid) return QUEUE_INVALIDATED;
  UInt32 is_running = queue->is_running;
  const void *value = property == IS_RUNNING ? (void *)&is_running : (void *)&queue->format;
  UInt32 needed = property == IS_RUNNING ? sizeof is_running : sizeof queue->format;
  if (*size < needed) return INVALID_PROPERTY_SIZE;
  memcpy(data, value, needed);
  *size = needed;
  return 0;
}

OSStatus AudioQueueAddPropertyListener(Queue *queue, UInt32 property, Listener listener,
                                       void *user) {
  OSStatus status = failure(LISTEN);
  if (status || property != IS_RUNNING) return status ? status : -50;
  queue->listener = listener;
  queue->listener_user = user;
  return 0;
}

OSStatus AudioQueueRemovePropertyListener(Queue *queue, UInt32 property, Listener listener,
                                          void *user) {
  if (property != IS_RUNNING || queue->listener != listener || user) return -50;
  queue->listener = NULL;
  return 0;
}

/* Objective-C */

void *objc_autoreleasePoolPush(void) {
  pthread_mutex_lock(&mutex);
  uintptr_t pool = ++counters[POOLS];
  pthread_mutex_unlock(&mutex);
  return (void *)pool;
}

void objc_autoreleasePoolPop(void *pool) {
  pthread_mutex_lock(&mutex);
  counters[POOLS] = (int)(uintptr_t)pool - 1;
  pthread_mutex_unlock(&mutex);
}

/* Messages. An object is the text of the expression that made it, and every method returns one; a
   block is called, as its ABI says, in a thread of its own. */

typedef struct Block {
  void *isa;
  int flags, reserved;
  void (*invoke)(struct Block *, _Bool);
  struct {
    unsigned long reserved, size;
  } *descriptor;
} Block;

void *_NSConcreteGlobalBlock[32];

enum { BLOCK_IS_GLOBAL = 1 << 28, MOST_TEXT = 4096 };

static const struct {
  const char *selector, *kinds; /* @ object, B BOOL, * text, b block, ? nil in a block's place */
} METHODS[] = {
    {"requestRecordPermission:", "b"},
    {"stringWithUTF8String:", "*"},
    {"URLWithString:", "@"},
    {"fileURLWithPath:", "@"},
    {"arrayWithObject:", "@"},
    {"openURL:options:completionHandler:", "@@?"},
    {"initWithActivityItems:applicationActivities:", "@@"},
    {"setSourceView:", "@"},
    {"presentViewController:animated:completion:", "@B?"},
};

static char messages[16 * MOST_TEXT];
static const char *nil_selector = "";
static _Bool block_value;

/* What was sent since the last call, a line a message. */
void stand_in_messages(char *text) {
  strcpy(text, messages);
  messages[0] = 0;
}

/* This method returns nil, and blocks are given this value. */
void stand_in_answers(const char *selector, _Bool value) {
  nil_selector = strdup(selector);
  block_value = value;
}

void *objc_getClass(const char *name) { return strdup(name); }

void *sel_registerName(const char *name) { return strdup(name); }

static void *call(void *block) {
  ((Block *)block)->invoke(block, block_value);
  return NULL;
}

static const char *run(Block *block) {
  if (block->isa != _NSConcreteGlobalBlock || block->flags != BLOCK_IS_GLOBAL) return "no block";
  if (block->descriptor->size != sizeof *block || block->reserved) return "no block";
  pthread_t thread;
  pthread_create(&thread, NULL, call, block);
  pthread_detach(thread);
  return "block";
}

void *objc_msgSend(void *receiver, const char *selector, uintptr_t first, uintptr_t second,
                   uintptr_t third) {
  uintptr_t values[] = {first, second, third};
  const char *kinds = "";
  for (unsigned i = 0; i < sizeof METHODS / sizeof *METHODS; i++)
    if (!strcmp(METHODS[i].selector, selector)) kinds = METHODS[i].kinds;
  char text[MOST_TEXT];
  int at = snprintf(text, sizeof text, "[%s %s", (char *)receiver, selector);
  for (int i = 0; kinds[i]; i++) {
    const char *said = (const char *)values[i];
    if (kinds[i] == 'B') said = (values[i] & 0xff) ? "YES" : "NO";
    if (kinds[i] == 'b') said = run((Block *)values[i]);
    if (kinds[i] == '?') said = values[i] ? "not nil" : "nil";
    at += snprintf(text + at, sizeof text - at, kinds[i] == '*' ? " \"%s\"" : " %s",
                   said ? said : "nil");
  }
  snprintf(text + at, sizeof text - at, "]");
  strcat(strcat(messages, text), "\n");
  return strcmp(selector, nil_selector) ? strdup(text) : NULL;
}
