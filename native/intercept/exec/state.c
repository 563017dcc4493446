#include "state.h"

#include "../kernel/text.h"

/* Numbers of struct ids before the groups, the last of which counts them. */
#define FIXED_IDS 12

size_t state_size(const struct exec_state *state)
{
    return sizeof STATE_NAME + STATE_NUMBERS + strlen(state->path) + strlen(state->started_by) + strlen(state->jail) + 4;
}

static char *put_field(char *to, u64 value)
{
    to = put_hex(to, value);
    return put_text(to, ",");
}

void state_write(const struct exec_state *state, char *to)
{
    to = put_text(to, STATE_NAME);
    to = put_field(to, strlen(state->path));
    to = put_field(to, strlen(state->started_by));
    to = put_field(to, strlen(state->jail));
    to = put_field(to, state->program);
    to = put_field(to, state->interpreter);
    to = put_field(to, state->first_reserved);
    to = put_field(to, state->directory_bind);
    to = put_field(to, state->ignored);
    to = put_field(to, state->trap_blocked);
    to = put_field(to, state->nested);
    to = put_field(to, state->has_ids);
    if (state->has_ids) {
        const u32 *number = &state->ids.ruid;
        for (u32 i = 0; i < FIXED_IDS + state->ids.group_count; i++)
            to = put_field(to, number[i]);
    }
    to = put_text(to, ":");
    to = put_text(put_text(to, state->path), ":");
    to = put_text(put_text(to, state->started_by), ":");
    put_text(to, state->jail);
}

static bool read_field(const char **at, u64 *value)
{
    u64 sum = 0;
    const char *text = *at;
    for (; *text && *text != ','; text++) {
        char c = *text;
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        sum = sum * 16 + (u64)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *at = text + 1;
    *value = sum;
    return *text == ',';
}

static bool read_ids(const char **at, struct ids *ids)
{
    u32 *number = &ids->ruid;
    for (u32 i = 0; i < FIXED_IDS + (i >= FIXED_IDS ? ids->group_count : 0); i++) {
        u64 value;
        if (!read_field(at, &value))
            return false;
        number[i] = (u32)value;
        if (i == FIXED_IDS - 1 && ids->group_count > GROUP_LIMIT)
            return false;
    }
    return true;
}

bool state_read(char *word, struct exec_state *state)
{
    const char *at = word + sizeof STATE_NAME - 1;
    u64 value[11];
    for (u32 i = 0; i < LENGTH(value); i++)
        if (!read_field(&at, &value[i]))
            return false;
    *state = (struct exec_state){
        .program = (u32)value[3], .interpreter = (u32)value[4], .first_reserved = (u32)value[5], .directory_bind = (u32)value[6],
        .ignored = value[7], .trap_blocked = value[8], .nested = value[9], .has_ids = value[10], .word = word,
    };
    if (state->has_ids && !read_ids(&at, &state->ids))
        return false;
    if (*at++ != ':')
        return false;
    char *text = word + (at - word);
    state->path = text;
    state->started_by = text + value[0] + 1;
    state->jail = state->started_by + value[1] + 1;
    text[value[0]] = 0;
    text[value[0] + 1 + value[1]] = 0;
    return true;
}

/* The word is the last text of the environment. In it, NULs stand where state_read put them, so the lengths are needed. */
static bool path_from(const char *environment, size_t size, char *path)
{
    size_t name = sizeof STATE_NAME - 1;
    for (size_t i = 0; i + name < size; i++) {
        if ((i && environment[i - 1]) || memcmp(environment + i, STATE_NAME, name))
            continue;
        const char *at = environment + i + name;
        u64 length;
        if (!read_field(&at, &length) || length >= PATH_LIMIT)
            return false;
        while (at < environment + size && *at != ':')
            at++;
        if (at + 1 + length >= environment + size)
            return false;
        memcpy(path, at + 1, length);
        path[length] = 0;
        return true;
    }
    return false;
}

NOINLINE bool state_program_of(u64 pid, char *path)
{
    char name[64];
    put_text(put_number(put_text(name, "/proc/"), pid), "/environ");
    long fd = KERNEL(openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    size_t room = 4UL << 20, size = 0;
    char *text = (char *)KERNEL(mmap, 0, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool found = false;
    if (!is_error((long)text)) {
        for (long got = 1; got > 0 && size < room - 1; size += got > 0 ? (size_t)got : 0)
            got = KERNEL(read, fd, text + size, room - 1 - size);
        found = path_from(text, size, path);
        KERNEL(munmap, text, room);
    }
    KERNEL(close, fd);
    return found;
}
