#include "records.h"

#include "../kernel/message.h"
#include "../kernel/text.h"

#define ANY 255
#define NO_WATCHER "the interception engine leaves no process of its own; sampan-run stays beside it (\"root-host\")"

static const struct {
    const char *text;
    u8 name, count;
    const char *refusal;
} table[] = {
    {"owner", RECORD_OWNER, 1, NULL},
    {"image", RECORD_IMAGE, 1, NULL},
    {"label", RECORD_LABEL, 1, NULL},
    {"touch", RECORD_TOUCH, 1, NULL},
    {"unshare", RECORD_REFUSED, 1, "it has no namespaces"},
    {"uid-map", RECORD_UID_MAP, 3, NULL},
    {"gid-map", RECORD_GID_MAP, 3, NULL},
    {"map-tools", RECORD_REFUSED, 2, "it has no namespaces"},
    {"enter", RECORD_REFUSED, 3, "it has no namespaces"},
    {"join", RECORD_REFUSED, 3, "it has no namespaces"},
    {"hostname", RECORD_REFUSED, 1, "it has no namespaces"},
    {"loopback", RECORD_REFUSED, 0, "it has no namespaces"},
    {"root-tree", RECORD_ROOT_TREE, 2, NULL},
    {"root-memory", RECORD_REFUSED, 3, "it has no writable layer over a shared tree yet"},
    {"root-overlay", RECORD_REFUSED, 4, "it has no writable layer over a shared tree yet"},
    {"root-host", RECORD_REFUSED, 1, "it is for programs of this machine"},
    {"root-fuse", RECORD_REFUSED, 2, "it mounts nothing"},
    {"root-cvmfs", RECORD_REFUSED, 2, "it mounts nothing"},
    {"fallback-tmpfs", RECORD_IGNORED, 3, NULL}, /* only where an overlay was refused */
    {"bind", RECORD_BIND, 3, NULL},
    {"tmpfs", RECORD_TMPFS, 4, NULL},
    {"file", RECORD_FILE, 4, NULL},
    {"mkdir", RECORD_MKDIR, 2, NULL},
    {"symlink", RECORD_SYMLINK, 2, NULL},
    {"proc", RECORD_REFUSED, 1, "it mounts nothing"},
    {"sysfs", RECORD_REFUSED, 1, "it mounts nothing"},
    {"mqueue", RECORD_REFUSED, 1, "it mounts nothing"},
    {"devpts", RECORD_REFUSED, 1, "it mounts nothing"},
    {"dev", RECORD_DEV, 1, NULL},
    {"binfmt", RECORD_REFUSED, 4, "it mounts nothing"},
    {"mask", RECORD_MASK, 1, NULL},
    {"read-only", RECORD_READ_ONLY, 1, NULL},
    {"env", RECORD_ENV, 1, NULL},
    {"env-from", RECORD_ENV_FROM, 1, NULL},
    {"env-prefix", RECORD_ENV_PREFIX, 1, NULL},
    {"env-unset", RECORD_ENV_UNSET, 1, NULL},
    {"cwd", RECORD_CWD, 2, NULL},
    {"cwd-caller", RECORD_CWD_CALLER, 2, NULL},
    {"umask", RECORD_UMASK, 1, NULL},
    {"limit", RECORD_LIMIT_SET, 3, NULL},
    {"cpus", RECORD_CPUS, 1, NULL},
    {"fds", RECORD_FDS, 1, NULL},
    {"user", RECORD_REFUSED, 3, "it has no longer map of ids"},
    {"owners", RECORD_REFUSED, 2, "it has a table of its own (\"intercept\" \"owners\")"},
    {"no-new-privs", RECORD_IGNORED, 0, NULL}, /* always holds here */
    {"die-with-parent", RECORD_DIE_WITH_PARENT, 0, NULL},
    {"cgroup", RECORD_REFUSED, 1, NO_WATCHER},
    {"watch", RECORD_REFUSED, 5, NO_WATCHER},
    {"log-size", RECORD_REFUSED, 2, NO_WATCHER},
    {"attach", RECORD_REFUSED, 1, NO_WATCHER},
    {"ready", RECORD_REFUSED, 1, NO_WATCHER},
    {"health", RECORD_REFUSED, ANY, NO_WATCHER},
    {"helper", RECORD_REFUSED, ANY, NO_WATCHER},
    {"args", RECORD_ARGS, 1, NULL},
    {"default-arg", RECORD_DEFAULT_ARG, 1, NULL},
    {"intercept", RECORD_ENGINE, 2, NULL},
    {"exec", RECORD_EXEC, ANY, NULL},
};

static _Noreturn void damaged(const struct record_reader *reader, const char *name, const char *why)
{
    fail(STATUS_FAILED, "the launch file cannot be run: record ", number_text(reader->number), ", \"", name, "\", ", why, NULL);
}

void records_open(struct record_reader *reader, const char *bytes, u64 size)
{
    static const char format[] = "sampan-launch 1";
    const char *header = bytes + base_offset(bytes, strlen(bytes));
    for (const char *at = bytes; *at; at++)
        if (*at == '\n')
            header = at + 1;
    if (!text_begins(header, "sampan-launch "))
        fail(STATUS_FAILED, "this is not a launch file", NULL);
    if (!text_equal(header, format))
        fail(STATUS_FAILED, "the launch file is of another format than 1: ", header + 14, NULL);
    *reader = (struct record_reader){.at = bytes + strlen(bytes) + 1, .end = bytes + size};
}

/* The text at the reader's place, which moves behind it. */
static const char *take(struct record_reader *reader, const char *name)
{
    const char *text = reader->at;
    while (reader->at < reader->end && *reader->at)
        reader->at++;
    if (reader->at >= reader->end)
        damaged(reader, name, "is cut off");
    reader->at++;
    return text;
}

bool records_next(struct record_reader *reader, struct record *record)
{
    u64 count;
    size_t i = 0;
    if (reader->at >= reader->end) {
        if (!reader->ended)
            fail(STATUS_FAILED, "the launch file cannot be run: it has no \"exec\"", NULL);
        return false;
    }
    reader->number++;
    const char *name = take(reader, "");
    while (i < LENGTH(table) && !text_equal(table[i].text, name))
        i++;
    if (i == LENGTH(table))
        damaged(reader, name, "is unknown");
    if (reader->ended)
        damaged(reader, name, "stands behind \"exec\"");
    if (!read_number(take(reader, name), &count, NULL) || count > RECORD_LIMIT)
        damaged(reader, name, "has no count of its fields");
    if (table[i].count == ANY ? !count && table[i].name != RECORD_EXEC : count != table[i].count)
        damaged(reader, name, "has a wrong number of fields");
    *record = (struct record){.name = table[i].name, .text = table[i].text, .fields = reader->at, .count = (u32)count, .refusal = table[i].refusal};
    for (u64 field = 0; field < count; field++)
        take(reader, name);
    if (record->name == RECORD_REFUSED)
        damaged(reader, name, table[i].refusal);
    if (record->name == RECORD_ROOT_TREE && reader->root)
        damaged(reader, name, "is a second root");
    reader->root |= record->name == RECORD_ROOT_TREE;
    reader->ended = record->name == RECORD_EXEC;
    return true;
}

const char *record_field(const struct record *record, u32 index)
{
    const char *text = record->fields;
    while (index--)
        text += strlen(text) + 1;
    return text;
}

/* Length of the first word of a comma list. */
static size_t word_length(const char *list)
{
    size_t length = 0;
    while (list[length] && list[length] != ',')
        length++;
    return length;
}

static bool list_has_word(const char *list, const char *word, size_t size)
{
    while (*list) {
        size_t length = word_length(list);
        if (length == size && !memcmp(list, word, size))
            return true;
        list += length + (list[length] == ',');
    }
    return false;
}

bool list_has(const char *list, const char *word)
{
    return list_has_word(list, word, strlen(word));
}

bool list_knows(const char *list, const char *known)
{
    while (*list) {
        size_t length = word_length(list);
        if (!list_has_word(known, list, length))
            return false;
        list += length + (list[length] == ',');
    }
    return true;
}
