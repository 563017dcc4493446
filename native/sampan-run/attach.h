/* Clients that look at the payload and type for it. */
#ifndef ATTACH_H
#define ATTACH_H

#include "log.h"
#include "pollset.h"

#include <stdbool.h>

/* Listens at `path`. Ends the program if it cannot. Without it nothing of the following does anything. */
void attach_listen(const char *path);

/* Where input goes: the payload's stdin, or a descriptor of its terminal's master. -1: nowhere. It is closed here. */
void attach_input(int fd, bool terminal);

/* Bytes of the payload, for all. */
void attach_output(enum stream stream, const char *bytes, size_t length);

void attach_collect(struct pollset *set);
void attach_dispatch(const struct pollset *set);

/* Nobody can come any more; input is over. */
void attach_close(void);

/* The last frame for all; they have a second to take it. `exit` is the JSON object. */
void attach_end(const char *exit, size_t length);

/* Is anybody there? */
bool attach_has_clients(void);

#endif
