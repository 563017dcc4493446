/* /proc/PID/mounts and mountinfo, made from the host's mountinfo: a line for each bind, and one for each mount of the host that lies in a
 * bind and is not covered by another. */
#include "../kernel/text.h"
#include "../paths/binds.h"
#include "../threads/thread.h"
#include "view.h"

#define HOST_ROOM (256 * 1024)

enum { ID, PARENT, DEVICE, ROOT, POINT, OPTIONS, FIELD_COUNT };

struct mount {
    const char *field[FIELD_COUNT];
    const char *tags;   /* the optional fields */
    const char *type, *source, *super;
};

struct writer {
    struct output output;
    bool with_ids;
    char *text;     /* HOST_ROOM: the host's mountinfo, lines ended by NUL */
    size_t size;
    char *line;     /* copy of the line that is taken apart */
    char *guest;
};

static char *take_field(char **at)
{
    char *field = *at;
    while (**at && **at != ' ')
        (*at)++;
    if (**at)
        *(*at)++ = 0;
    return field;
}

static bool take_apart(char *line, struct mount *mount)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        mount->field[i] = take_field(&line);
    mount->tags = line;
    while (*line && !(line[0] == '-' && line[1] == ' '))
        take_field(&line);
    if (!*line)
        return false;
    if (line > mount->tags)
        line[-1] = 0;
    else
        mount->tags = "";
    line += 2;
    mount->type = take_field(&line);
    mount->source = take_field(&line);
    mount->super = line;
    return true;
}

/* `\040` and the like. */
static void unescape(char *text)
{
    char *to = text;
    for (; *text; text++) {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
            *to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 3;
        } else {
            *to++ = *text;
        }
    }
    *to = 0;
}

static void put(struct writer *writer, const char *text)
{
    output_put(&writer->output, text, strlen(text));
}

static void put_escaped(struct writer *writer, const char *text)
{
    for (; *text; text++) {
        char octal[5] = {'\\', (char)('0' + ((u8)*text >> 6)), (char)('0' + (((u8)*text >> 3) & 7)), (char)('0' + (*text & 7)), 0};
        bool plain = *text != ' ' && *text != '\t' && *text != '\n' && *text != '\\';
        output_put(&writer->output, plain ? text : octal, plain ? 1 : 4);
    }
}

static void put_options(struct writer *writer, const char *options, bool read_only)
{
    bool writable = options[0] == 'r' && options[1] == 'w';
    put(writer, read_only && writable ? "ro" : "");
    put(writer, options + (read_only && writable ? 2 : 0));
}

static void write_mount(struct writer *writer, const struct mount *mount, const char *below, const char *point, bool read_only)
{
    if (!writer->with_ids) {
        put(writer, mount->source);
        put(writer, " ");
        put_escaped(writer, point);
        put(writer, " ");
        put(writer, mount->type);
        put(writer, " ");
        put_options(writer, mount->field[OPTIONS], read_only);
        put(writer, mount->super[0] == 'r' ? mount->super + 2 : ""); /* behind its rw or ro */
        put(writer, " 0 0\n");
        return;
    }
    for (int i = ID; i <= DEVICE; i++) {
        put(writer, mount->field[i]);
        put(writer, " ");
    }
    put(writer, text_equal(mount->field[ROOT], "/") && *below ? "" : mount->field[ROOT]);
    put_escaped(writer, below);
    put(writer, " ");
    put_escaped(writer, point);
    put(writer, " ");
    put_options(writer, mount->field[OPTIONS], read_only);
    put(writer, " ");
    if (*mount->tags) {
        put(writer, mount->tags);
        put(writer, " ");
    }
    const char *rest[] = {"- ", mount->type, " ", mount->source, " ", mount->super, "\n"};
    for (size_t i = 0; i < LENGTH(rest); i++)
        put(writer, rest[i]);
}

static size_t root_free_length(const char *path)
{
    return text_equal(path, "/") ? 0 : strlen(path);
}

/* The mount that holds a bind's host path: the last of those with the longest mount point. */
static void write_bind(struct writer *writer, const struct bind *bind)
{
    const char *host = container_text(bind->host), *best = NULL;
    size_t best_length = 0;
    struct mount mount;
    for (char *at = writer->text; at < writer->text + writer->size; at += strlen(at) + 1) {
        put_text(writer->line, at);
        if (!take_apart(writer->line, &mount))
            continue;
        unescape((char *)mount.field[POINT]);
        size_t length = root_free_length(mount.field[POINT]);
        bool holds = !memcmp(host, mount.field[POINT], length) && (host[length] == '/' || !host[length]);
        if (length <= bind->host_length && holds && (!best || length >= best_length)) {
            best = at;
            best_length = length;
        }
    }
    if (!best)
        return;
    put_text(writer->line, best);
    take_apart(writer->line, &mount);
    write_mount(writer, &mount, host + best_length, bind->guest_length ? container_text(bind->guest) : "/", bind->flags & BIND_READ_ONLY);
}

static void write_mounts_within(struct writer *writer, const struct bind *bind)
{
    struct mount mount;
    for (char *at = writer->text; at < writer->text + writer->size; at += strlen(at) + 1) {
        put_text(writer->line, at);
        if (!take_apart(writer->line, &mount))
            continue;
        unescape((char *)mount.field[POINT]);
        size_t length = root_free_length(mount.field[POINT]);
        if (length <= bind->host_length || guest_of_host(mount.field[POINT], writer->guest, -1) != bind)
            continue;
        const char *rest;
        if (bind_of(writer->guest, &rest) == bind) /* else another bind covers it */
            write_mount(writer, &mount, "", writer->guest, bind->flags & BIND_READ_ONLY);
    }
}

/* `from` is only known to be readable; the host's list is the same for all processes of the container. */
void view_write_mounts(int from, int to, bool with_ids)
{
    (void)from;
    u64 memory = (u64)KERNEL(mmap, 0, HOST_ROOM * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    long fd = KERNEL(openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC, 0);
    if (is_error((long)memory) || fd < 0)
        return;
    struct writer writer = {
        .output = {.fd = to, .buffer = arena_take(OUTPUT_ROOM)}, .with_ids = with_ids, .text = (char *)memory,
        .line = (char *)memory + HOST_ROOM, .guest = arena_take(PATH_LIMIT),
    };
    for (long got = 1; got > 0 && writer.size < HOST_ROOM - 1; writer.size += got > 0 ? (size_t)got : 0)
        got = KERNEL(read, fd, writer.text + writer.size, HOST_ROOM - 1 - writer.size);
    for (size_t i = 0; i < writer.size; i++)
        if (writer.text[i] == '\n')
            writer.text[i] = 0;
    if (writer.output.buffer && writer.guest)
        for (u32 i = container->bind_count; i-- > 0;) {
            const struct bind *bind = &container->binds[i];
            write_bind(&writer, bind);
            if (!(bind->flags & BIND_FILE))
                write_mounts_within(&writer, bind);
        }
    output_flush(&writer.output);
    KERNEL(close, fd);
    KERNEL(munmap, memory, HOST_ROOM * 2);
}
