/* A launch file in memory: read whole, taken apart, checked. Nothing of it is done here. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include "records.h"

#include <stdio.h>

enum { MAX_BYTES = 8 << 20, MAX_RECORDS = 65536 };

struct record {
    const struct record_kind *kind;
    const char *fields; /* `count` strings one behind the other */
    unsigned count;
    int source; /* of a bind: descriptor of SOURCE, -1 if it is not there; set by mounts_open_sources */
};

struct launch {
    bool may_be_relative; /* paths may be relative: the file has a directory */
    bool is_relative; /* some are */
    size_t length;   /* of `bytes` */
    unsigned count;  /* of `records` */
    char fault[512]; /* the sentence of why it is refused */
    struct record records[MAX_RECORDS];
    char bytes[MAX_BYTES + 2]; /* one too many, to see that it is too long, and a NUL behind all */
};

/* Read everything from `fd`; false with errno, or with errno 0 and a fault. */
bool launch_read(struct launch *launch, int fd);

/* Take `bytes` apart and check all of it; false with a fault. */
bool launch_check(struct launch *launch);

/* Leaves a fault; false. */
bool launch_refuse(struct launch *launch, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print the records to `stream`, one a line, words quoted as a shell would. */
void launch_print(const struct launch *launch, FILE *stream);

/* Empties it and gives its memory back. */
void launch_forget(struct launch *launch);

/* Field `index` of a record; from `after`, the string behind another. */
const char *field(const struct record *record, unsigned index);
const char *string_after(const char *text);

/* The first record of that name, or NULL; the one behind `record` (NULL = from the start) of that name. */
const struct record *record_of(const struct launch *launch, enum record_name name);
const struct record *next_record_of(const struct launch *launch, const struct record *record, enum record_name name);

#endif
