/* Starting the process that becomes the payload, from the watcher. */
#ifndef SPAWN_H
#define SPAWN_H

#include "payload.h"

/* What the payload gets as its streams; -1: the caller's. */
struct streams {
    int in, out, err;
    bool terminal; /* it makes a new terminal instead, and sends its master */
    bool session;  /* it leads a session of its own */
};

struct child {
    pid_t pid;   /* the init, or the payload; 0 until WORD_PAYLOAD tells it */
    pid_t setup; /* the process that joins the namespaces first, or 0 */
    int channel; /* to it (channel.h), non-blocking */
    int words;   /* ends when the payload has been executed, after one byte EXECUTED; or after a sentence of why not; non-blocking */
};

enum { EXECUTED = 'x' };

/* Only one can be started. Returns in the watcher. */
struct child spawn(struct start *start, const struct streams *streams);

#endif
