/* From a checked launch file to the payload: the part of a start that happens in the process that becomes it (or in its init). */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include "maps.h"
#include "process.h"

struct start {
    struct launch *launch;
    const char *path;          /* of the launch file; NULL if it came from a descriptor */
    char **words, **environment; /* of the payload, complete */
    struct caller caller;
};

/* The directory that relative paths of the file begin at, or AT_FDCWD. */
int start_base(const struct start *start);

/* Enters namespaces (but those of `made`) and the root. */
void payload_prepare(struct start *start, const struct mapper *mapper, int made);

/* Instead, for another command in the container of process `pid`, started at `begun`: joins it (with `root-host` there is nothing to
 * join), in the payload's directory. */
void payload_join(const struct start *start, pid_t pid, unsigned long long begun);

/* Becomes the payload, or that other command. `parent`: whose death kills it, 0 if nobody's; `before` is called as the last thing
 * before execve. */
_Noreturn void payload_run(const struct start *start, char **words, pid_t parent, void (*before)(void));

#endif
