/* /proc/PID/maps and its kin: what follows the first slash of a line is a host path. */
#include "../exec/state.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/thread.h"
#include "view.h"

/* Memory of the engine has no name that a guest could look up. */
static bool is_engine_line(const char *line)
{
    u64 start = 0;
    for (const char *at = line; *at && *at != '-'; at++)
        start = start * 16 + (u64)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    return start >= ENGINE_BASE && start < ENGINE_BASE + ENGINE_SPAN;
}

void view_write_maps(int from, int to)
{
    struct line_reader reader = {.fd = from, .buffer = arena_take(LINE_ROOM)};
    struct output output = {.fd = to, .buffer = arena_take(OUTPUT_ROOM)};
    char *guest = arena_take(PATH_LIMIT), *line;
    size_t length;
    if (!reader.buffer || !output.buffer || !guest)
        return;
    while (next_line(&reader, &line, &length)) {
        size_t slash = 0;
        while (slash < length && line[slash] != '/')
            slash++;
        const char *path = line + slash;
        if (slash < length && is_engine_line(line))
            path = "[sampan-intercept]";
        else if (slash < length && shown_path(path, guest, -1))
            path = guest;
        output_put(&output, line, slash);
        output_put(&output, path, strlen(path));
        output_put(&output, "\n", 1);
    }
    output_flush(&output);
}

/* All entries but the engine's own, which is the last. Entries can be long, so this goes by pieces: the word begins after a NUL. */
void view_write_environment(int from, int to)
{
    char *buffer = arena_take(LINE_ROOM);
    size_t name = sizeof STATE_NAME - 1, used = 0;
    bool at_start = true, skipping = false;
    if (!buffer)
        return;
    for (;;) {
        long got = KERNEL(read, from, buffer + used, LINE_ROOM - used);
        bool ended = got <= 0;
        used += ended ? 0 : (size_t)got;
        size_t done = 0;
        while (done < used) {
            if (at_start && used - done < name && !ended)
                break;
            if (at_start && used - done >= name && !memcmp(buffer + done, STATE_NAME, name))
                skipping = true; /* and all that follows: it holds NULs of its own */
            size_t end = done;
            while (end < used && buffer[end])
                end++;
            at_start = end < used;
            end += end < used;
            if (!skipping)
                KERNEL(write, to, buffer + done, end - done);
            done = end;
        }
        memmove(buffer, buffer + done, used - done);
        used -= done;
        if (ended)
            return;
    }
}
