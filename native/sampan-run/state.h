/* The small JSON files that the watcher keeps in its directory (docs/design/launch-file.md, "Files in DIRECTORY"). */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

enum { MAX_STATE = 32768 };

/* Text that is put together; what does not fit any more is left out. */
struct text {
    size_t length;
    char bytes[MAX_STATE];
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds bytes as a JSON string; what is no UTF-8 becomes U+FFFD. */
void text_add_string(struct text *text, const char *bytes, size_t length);

/* Adds a moment as a JSON string, UTC with milliseconds; null if it is 0. */
void text_add_moment(struct text *text, struct timespec moment);

struct timespec moment_now(void);

/* Field 22 of /proc/PID/stat; 0 if there is none. */
unsigned long long state_start_time(pid_t pid);

/* Replaces the file `name` in `directory` (-1: nothing happens); false with errno. */
bool state_write(int directory, const char *name, const struct text *text);

/* The content of `payload`. */
void state_payload(struct text *text, pid_t pid, unsigned long long start);

/* The content of `exit`. */
struct outcome {
    pid_t pid;
    unsigned long long start;
    int status, signal;  /* signal 0: none */
    const char *reason;  /* exited, signal, timeout, not-started */
    const char *message; /* or NULL */
    struct timespec started, finished;
};
void state_exit(struct text *text, const struct outcome *outcome);

#endif
