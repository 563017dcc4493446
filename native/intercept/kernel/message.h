/* Messages of the engine: one sentence on stderr that begins with `sampan: `. */
#ifndef SAMPAN_MESSAGE_H
#define SAMPAN_MESSAGE_H

#include "types.h"

#define STATUS_FAILED 125
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127

/* What a start is about; messages then begin with `sampan: cannot start SUBJECT: `. NULL ends that. */
void message_subject(const char *subject);

/* A second line for the next message: a way on. */
void message_hint(const char *hint);

/* What `fail` says goes to this descriptor and not to stderr: the sentence alone, and its hint. */
void message_to(int fd);

/* The texts, up to a NULL, as one line. */
void message(const char *first, ...) __attribute__((sentinel));
_Noreturn void fail(int status, const char *first, ...) __attribute__((sentinel));

/* What strerror says for the errors that occur here; `error` may be negative. */
const char *error_words(long error);

/* A number as text, for a message; overwritten by the fourth next use. Not for signal handlers. */
const char *number_text(u64 value);

#endif
