/* What the guest reads about itself: files of procfs that name host paths, and listings that show the engine's descriptors. */
#ifndef SAMPAN_VIEW_H
#define SAMPAN_VIEW_H

#include "../kernel/calls.h"

/* A file was opened under this name (last component). If it is one of procfs that must be seen through the container's eyes, its content is put
 * in place of it, as it is now: a program that keeps it open sees no later change. The same descriptor, or an error. */
long view_opened(int fd, const char *name, u64 flags);

/* --- writers of such content: read all of `from`, write to `to` --- */
void view_write_maps(int from, int to);
void view_write_environment(int from, int to);
void view_write_mounts(int from, int to, bool with_ids);

/* A line at a time. */
struct line_reader {
    int fd;
    char *buffer; /* LINE_ROOM */
    size_t begin, end;
    bool ended;
};
#define LINE_ROOM 32768
bool next_line(struct line_reader *reader, char **line, size_t *length);

/* Output in pieces as large as possible. */
struct output {
    int fd;
    char *buffer; /* OUTPUT_ROOM */
    size_t used;
};
#define OUTPUT_ROOM 16384
void output_put(struct output *output, const char *text, size_t length);
void output_flush(struct output *output);

#endif
