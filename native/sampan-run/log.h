/* What the payload writes, as lines in DIRECTORY/log. */
#ifndef LOG_H
#define LOG_H

#include "pollset.h"

#include <stddef.h>

enum stream { STREAM_OUT, STREAM_ERR, STREAM_HELPERS /* shown as stderr */, STREAMS };

/* Opens the log of `directory`, to be renamed before it grows beyond `most` bytes, with `files` of them kept. Ends the program if it
 * cannot. Without it nothing of the following does anything. */
void log_open(int directory, unsigned long long most, unsigned files);

enum { LOG_SLACK = 16 };

/* Takes bytes of a stream; whole lines are in the file afterwards. LOG_SLACK bytes behind them are read too, and may be anything. */
void log_take(enum stream stream, const char *bytes, size_t length);

/* A line of the watcher's own. */
void log_say(const char *sentence);

/* Writes what has waited for its end of line for too long; says when that is due. */
void log_collect(struct pollset *set);
void log_tick(void);

/* Everything into the file, with or without its end of line. */
void log_finish(void);

#endif
