/* The table of records, and what a field of each type must look like. Pure: nothing here looks at the machine. */
#include "records.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOUNT_FLAGS "nosuid,nodev,noexec"
#define LIMIT_NAMES                                                                                                        \
    "as,core,cpu,data,fsize,locks,memlock,msgqueue,nice,nofile,nproc,rss,rtprio,rttime,sigpending,stack"

/* clang-format off */
static const struct record_kind KINDS[] = {
    {"owner", OWNER, STAGE_GUARD, true, 1, {{FIELD_ID, NULL}}},
    {"image", IMAGE, STAGE_GUARD, true, 1, {{FIELD_WORD, NULL}}},
    {"label", LABEL, STAGE_GUARD, true, 1, {{FIELD_WORD, NULL}}},
    {"touch", TOUCH, STAGE_GUARD, false, 1, {{FIELD_HOST, NULL}}},

    {"unshare", UNSHARE, STAGE_NAMESPACE, true, 1, {{FIELD_NAMES, "user,mount,ipc,uts,net,cgroup"}}},
    {"uid-map", UID_MAP, STAGE_NAMESPACE, true, 3, {{FIELD_ID, NULL}, {FIELD_OUTSIDE, NULL}, {FIELD_ID, NULL}}},
    {"gid-map", GID_MAP, STAGE_NAMESPACE, true, 3, {{FIELD_ID, NULL}, {FIELD_OUTSIDE, NULL}, {FIELD_ID, NULL}}},
    {"map-tools", LATER, STAGE_NAMESPACE, true, 2, {{FIELD_TEXT, NULL}}},
    {"enter", LATER, STAGE_NAMESPACE, true, 3, {{FIELD_TEXT, NULL}}},
    {"join", LATER, STAGE_NAMESPACE, true, 3, {{FIELD_TEXT, NULL}}},
    {"hostname", HOSTNAME, STAGE_NAMESPACE, true, 1, {{FIELD_WORD, NULL}}},
    {"loopback", LOOPBACK, STAGE_NAMESPACE, true, 0, {{FIELD_TEXT, NULL}}},

    {"root-tree", ROOT_TREE, STAGE_ROOT, true, 2, {{FIELD_HOST, NULL}, {FIELD_CHOICE, "ro,rw"}}},
    {"root-memory", ROOT_MEMORY, STAGE_ROOT, true, 3,
     {{FIELD_HOST, NULL}, {FIELD_NUMBER, NULL}, {FIELD_CHOICE, "read-only,refuse"}}},
    {"root-overlay", ROOT_OVERLAY, STAGE_ROOT, true, 4,
     {{FIELD_HOST, NULL}, {FIELD_HOST, NULL}, {FIELD_HOST, NULL}, {FIELD_CHOICE, "read-only,refuse"}}},
    {"root-fuse", LATER, STAGE_ROOT, true, 2, {{FIELD_TEXT, NULL}}},
    {"root-cvmfs", LATER, STAGE_ROOT, true, 2, {{FIELD_TEXT, NULL}}},

    {"fallback-tmpfs", FALLBACK_TMPFS, STAGE_MOUNT, false, 3, {{FIELD_TARGET, NULL}, {FIELD_MODE, NULL}, {FIELD_NUMBER, NULL}}},
    {"bind", BIND, STAGE_MOUNT, false, 3,
     {{FIELD_HOST, NULL}, {FIELD_TARGET, NULL}, {FIELD_FLAGS, "ro,shallow,optional,rprivate,rslave," MOUNT_FLAGS}}},
    {"tmpfs", TMPFS, STAGE_MOUNT, false, 4,
     {{FIELD_TARGET, NULL}, {FIELD_MODE, NULL}, {FIELD_NUMBER, NULL}, {FIELD_FLAGS, "ro," MOUNT_FLAGS}}},
    {"file", FILE_CONTENT, STAGE_MOUNT, false, 4, {{FIELD_TARGET, NULL}, {FIELD_MODE, NULL}, {FIELD_FLAGS, "ro"}, {FIELD_TEXT, NULL}}},
    {"mkdir", MKDIR, STAGE_MOUNT, false, 2, {{FIELD_TARGET, NULL}, {FIELD_MODE, NULL}}},
    {"symlink", SYMLINK, STAGE_MOUNT, false, 2, {{FIELD_WORD, NULL}, {FIELD_TARGET, NULL}}},
    {"proc", PROC, STAGE_MOUNT, false, 1, {{FIELD_TARGET, NULL}}},
    {"sysfs", SYSFS, STAGE_MOUNT, false, 1, {{FIELD_TARGET, NULL}}},
    {"mqueue", MQUEUE, STAGE_MOUNT, false, 1, {{FIELD_TARGET, NULL}}},
    {"devpts", DEVPTS, STAGE_MOUNT, false, 1, {{FIELD_TARGET, NULL}}},
    {"dev", DEV, STAGE_MOUNT, false, 1, {{FIELD_TARGET, NULL}}},
    {"mask", MASK, STAGE_MOUNT, false, 1, {{FIELD_TARGET, NULL}}},
    {"read-only", READ_ONLY, STAGE_MOUNT, false, 1, {{FIELD_TARGET, NULL}}},

    {"env", ENV, STAGE_PROCESS, false, 1, {{FIELD_ASSIGNMENT, NULL}}},
    {"env-from", ENV_FROM, STAGE_PROCESS, false, 1, {{FIELD_VARIABLE, NULL}}},
    {"env-prefix", ENV_PREFIX, STAGE_PROCESS, false, 1, {{FIELD_VARIABLE, NULL}}},
    {"env-unset", ENV_UNSET, STAGE_PROCESS, false, 1, {{FIELD_VARIABLE, NULL}}},
    {"cwd", CWD, STAGE_PROCESS, true, 2, {{FIELD_TARGET, NULL}, {FIELD_PLACE, "refuse,create"}}},
    {"cwd-caller", CWD_CALLER, STAGE_PROCESS, true, 2, {{FIELD_FLAGS, "bind"}, {FIELD_TARGET, NULL}}},
    {"umask", UMASK, STAGE_PROCESS, true, 1, {{FIELD_MODE, NULL}}},
    {"limit", LIMIT, STAGE_PROCESS, false, 3, {{FIELD_CHOICE, LIMIT_NAMES}, {FIELD_BOUND, NULL}, {FIELD_BOUND, NULL}}},
    {"cpus", CPUS, STAGE_PROCESS, true, 1, {{FIELD_RANGES, NULL}}},
    {"fds", FDS, STAGE_PROCESS, true, 1, {{FIELD_DESCRIPTORS, NULL}}},
    {"user", LATER, STAGE_PROCESS, true, 2, {{FIELD_TEXT, NULL}}},
    {"no-new-privs", NO_NEW_PRIVS, STAGE_PROCESS, true, 0, {{FIELD_TEXT, NULL}}},
    {"die-with-parent", DIE_WITH_PARENT, STAGE_PROCESS, true, 0, {{FIELD_TEXT, NULL}}},
    {"helper", LATER, STAGE_PROCESS, false, ANY_COUNT, {{FIELD_TEXT, NULL}}},
    {"watch", LATER, STAGE_PROCESS, true, 4, {{FIELD_TEXT, NULL}}},
    {"args", ARGS, STAGE_PROCESS, true, 1, {{FIELD_CHOICE, "append,replace,refuse"}}},
    {"default-arg", DEFAULT_ARG, STAGE_PROCESS, false, 1, {{FIELD_TEXT, NULL}}},
    {"exec", EXEC, STAGE_EXEC, true, ANY_COUNT, {{FIELD_WORD, NULL}}},
};
/* clang-format on */

const struct record_kind *record_kind(const char *text)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (strcmp(KINDS[i].text, text) == 0)
            return &KINDS[i];
    }
    return NULL;
}

static bool list_has_part(const char *list, const char *word, size_t length)
{
    for (;;) {
        size_t part = strcspn(list, ",");
        if (part == length && memcmp(list, word, length) == 0)
            return true;
        if (list[part] == '\0')
            return false;
        list += part + 1;
    }
}

bool list_has(const char *list, const char *word)
{
    return list_has_part(list, word, strlen(word));
}

unsigned long long field_number(const char *text, int base)
{
    return strtoull(text, NULL, base);
}

/* Plain digits of this base, no sign, no blank, at most `highest`. */
static bool is_number(const char *text, size_t length, int base, unsigned long long highest)
{
    unsigned long long value = 0;
    if (length == 0 || length > 22)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit >= (unsigned)base || value > (highest - digit) / (unsigned)base)
            return false;
        value = value * (unsigned)base + digit;
    }
    return true;
}

static const char *flags_fault(const char *words, const char *text, bool names)
{
    if (*text == '\0')
        return names ? "names nothing" : NULL;
    for (;;) {
        size_t part = strcspn(text, ",");
        if (names && part == 3 && memcmp(text, "pid", 3) == 0)
            return "names \"pid\", which this sampan-run does not do yet";
        if (!list_has_part(words, text, part))
            return "has a word that is unknown here";
        if (text[part] == '\0')
            return NULL;
        text += part + 1;
    }
}

/* `3,5` or, with ranges, `0-3,8`. */
static const char *numbers_fault(const char *text, bool ranges, unsigned long long lowest, unsigned long long highest)
{
    for (;;) {
        size_t part = strcspn(text, ",");
        const char *dash = ranges ? memchr(text, '-', part) : NULL;
        size_t first = dash != NULL ? (size_t)(dash - text) : part;
        if (!is_number(text, first, 10, highest) || field_number(text, 10) < lowest)
            return "is no list of numbers that can stand here";
        if (dash != NULL) {
            size_t last = part - first - 1;
            if (!is_number(dash + 1, last, 10, highest) || field_number(dash + 1, 10) < field_number(text, 10))
                return "has a range that is none";
        }
        if (text[part] == '\0')
            return NULL;
        text += part + 1;
    }
}

static const char *path_fault(const char *text, bool relative)
{
    if (*text == '\0')
        return "is no path";
    if (strlen(text) >= MAX_PATH)
        return "is longer than 4095 bytes";
    return *text == '/' || relative ? NULL : "is not an absolute path";
}

static const char *variable_fault(const char *text, bool assignment)
{
    const char *equals = strchr(text, '=');
    if (assignment)
        return equals != NULL && equals != text ? NULL : "is not NAME=VALUE";
    return *text != '\0' && equals == NULL ? NULL : "is no name of a variable";
}

const char *field_fault(const struct field_rule *rule, const char *text, bool relative)
{
    size_t length = strlen(text);
    switch (rule->type) {
    case FIELD_TEXT:
        return NULL;
    case FIELD_WORD:
        return length > 0 ? NULL : "is empty";
    case FIELD_HOST:
        return path_fault(text, relative);
    case FIELD_TARGET:
        return path_fault(text, false);
    case FIELD_CHOICE:
        return list_has_part(rule->words, text, length) ? NULL : "is no word that can stand here";
    case FIELD_PLACE:
        return list_has_part(rule->words, text, length) ? NULL : path_fault(text, false);
    case FIELD_FLAGS:
        return flags_fault(rule->words, text, false);
    case FIELD_NAMES:
        return flags_fault(rule->words, text, true);
    case FIELD_NUMBER:
        return is_number(text, length, 10, LLONG_MAX) ? NULL : "is no number";
    case FIELD_MODE:
        return is_number(text, length, 8, 07777) ? NULL : "is no octal mode";
    case FIELD_OUTSIDE:
        if (strcmp(text, "caller") == 0)
            return NULL;
        /* fall through */
    case FIELD_ID:
        return is_number(text, length, 10, UINT32_MAX - 1) ? NULL : "is no id";
    case FIELD_BOUND:
        return strcmp(text, "unlimited") == 0 || is_number(text, length, 10, ULLONG_MAX - 1) ? NULL : "is no limit";
    case FIELD_ASSIGNMENT:
        return variable_fault(text, true);
    case FIELD_VARIABLE:
        return variable_fault(text, false);
    case FIELD_DESCRIPTORS:
        return length == 0 ? NULL : numbers_fault(text, false, 3, INT_MAX);
    case FIELD_RANGES:
        return numbers_fault(text, true, 0, MAX_CPUS - 1);
    }
    return "is of an unknown type";
}
