#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/thread.h"
#include "view.h"

enum content { CONTENT_MAPS, CONTENT_ENVIRONMENT, CONTENT_MOUNTS, CONTENT_MOUNTINFO };

static int content_of(const char *name)
{
    static const struct {
        const char *name;
        int content;
    } table[] = {
        {"maps", CONTENT_MAPS}, {"smaps", CONTENT_MAPS}, {"numa_maps", CONTENT_MAPS}, {"environ", CONTENT_ENVIRONMENT},
        {"mounts", CONTENT_MOUNTS}, {"mountinfo", CONTENT_MOUNTINFO},
    };
    if (name[0] != 'm' && name[0] != 's' && name[0] != 'n' && name[0] != 'e')
        return -1;
    for (size_t i = 0; i < LENGTH(table); i++)
        if (text_equal(name, table[i].name))
            return table[i].content;
    return -1;
}

static NOINLINE long replace(int fd, int content, u64 flags)
{
    long copy = KERNEL(memfd_create, "proc", MFD_CLOEXEC);
    if (copy < 0)
        return fd;
    hold_descriptor((int)copy);
    if (content == CONTENT_MAPS)
        view_write_maps(fd, (int)copy);
    else if (content == CONTENT_ENVIRONMENT)
        view_write_environment(fd, (int)copy);
    else
        view_write_mounts(fd, (int)copy, content == CONTENT_MOUNTINFO);
    KERNEL(lseek, copy, 0, SEEK_SET);
    long result = KERNEL(dup3, copy, fd, flags & O_CLOEXEC);
    return result < 0 ? fd : result;
}

long view_opened(int fd, const char *name, u64 flags)
{
    if (flags & (O_PATH | O_ACCMODE | O_DIRECTORY))
        return fd;
    int content = content_of(name);
    return content < 0 || !in_procfs(fd) ? fd : replace(fd, content, flags);
}

bool next_line(struct line_reader *reader, char **line, size_t *length)
{
    for (;;) {
        for (size_t i = reader->begin; i < reader->end; i++)
            if (reader->buffer[i] == '\n') {
                *line = reader->buffer + reader->begin;
                *length = i - reader->begin;
                reader->buffer[i] = 0;
                reader->begin = i + 1;
                return true;
            }
        if (reader->ended || (reader->begin == 0 && reader->end == LINE_ROOM))
            return false;
        memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
        reader->end -= reader->begin;
        reader->begin = 0;
        long got = KERNEL(read, reader->fd, reader->buffer + reader->end, LINE_ROOM - reader->end);
        if (got <= 0)
            reader->ended = true;
        else
            reader->end += (size_t)got;
    }
}

void output_flush(struct output *output)
{
    for (size_t done = 0; done < output->used;) {
        long put = KERNEL(write, output->fd, output->buffer + done, output->used - done);
        if (put <= 0)
            break;
        done += (size_t)put;
    }
    output->used = 0;
}

void output_put(struct output *output, const char *text, size_t length)
{
    if (output->used + length > OUTPUT_ROOM)
        output_flush(output);
    if (length > OUTPUT_ROOM) {
        KERNEL(write, output->fd, text, length);
        return;
    }
    memcpy(output->buffer + output->used, text, length);
    output->used += length;
}
