/* The table of records, and what a field of each type must look like. Pure: nothing here looks at the machine. */
#include "records.h"

#include "calls.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACES "user,mount,pid,ipc,uts,net,cgroup"
#define MOUNT_FLAGS "nosuid,nodev,noexec"
#define LIMIT_NAMES                                                                                                        \
    "as,core,cpu,data,fsize,locks,memlock,msgqueue,nice,nofile,nproc,rss,rtprio,rttime,sigpending,stack"

static const char IDENTIFIER[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

/* clang-format off */
static const struct record_kind KINDS[] = {
    {"owner", OWNER, STAGE_GUARD, true, 1, {{FIELD_ID, NULL}}},
    {"image", IMAGE, STAGE_GUARD, true, 1, {{FIELD_WORD, NULL}}},
    {"label", LABEL, STAGE_GUARD, true, 1, {{FIELD_WORD, NULL}}},
    {"touch", TOUCH, STAGE_GUARD, false, 1, {{FIELD_HOST, NULL}}},

    {"unshare", UNSHARE, STAGE_NAMESPACE, true, 1, {{FIELD_NAMES, NAMESPACES}}},
    {"uid-map", UID_MAP, STAGE_NAMESPACE, false, 3, {{FIELD_ID, NULL}, {FIELD_OUTSIDE, NULL}, {FIELD_ID, NULL}}},
    {"gid-map", GID_MAP, STAGE_NAMESPACE, false, 3, {{FIELD_ID, NULL}, {FIELD_OUTSIDE, NULL}, {FIELD_ID, NULL}}},
    {"map-tools", MAP_TOOLS, STAGE_NAMESPACE, true, 2, {{FIELD_HOST, NULL}, {FIELD_HOST, NULL}}},
    {"enter", ENTER, STAGE_NAMESPACE, true, 3, {{FIELD_POSITIVE, NULL}, {FIELD_NUMBER, NULL}, {FIELD_NAMES, NAMESPACES}}},
    {"cgroup", CGROUP, STAGE_NAMESPACE, true, 1, {{FIELD_HOST, NULL}}},
    {"join", LATER, STAGE_NAMESPACE, true, 3, {{FIELD_TEXT, NULL}}},
    {"hostname", HOSTNAME, STAGE_NAMESPACE, true, 1, {{FIELD_WORD, NULL}}},
    {"loopback", LOOPBACK, STAGE_NAMESPACE, true, 0, {{FIELD_TEXT, NULL}}},

    {"root-tree", ROOT_TREE, STAGE_ROOT, true, 2, {{FIELD_HOST, NULL}, {FIELD_CHOICE, "ro,rw"}}},
    {"root-memory", ROOT_MEMORY, STAGE_ROOT, true, 3,
     {{FIELD_HOST, NULL}, {FIELD_NUMBER, NULL}, {FIELD_CHOICE, "read-only,refuse"}}},
    {"root-overlay", ROOT_OVERLAY, STAGE_ROOT, true, 4,
     {{FIELD_HOST, NULL}, {FIELD_HOST, NULL}, {FIELD_HOST, NULL}, {FIELD_CHOICE, "read-only,refuse"}}},
    {"root-host", ROOT_HOST, STAGE_ROOT, true, 1, {{FIELD_FLAGS, "launcher,parent,inside"}}},
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
    {"binfmt", BINFMT, STAGE_MOUNT, false, 4, {{FIELD_IDENTIFIER, NULL}, {FIELD_MAGIC, NULL}, {FIELD_MAGIC, NULL}, {FIELD_HOST, NULL}}},
    {"read-only", READ_ONLY, STAGE_MOUNT, false, 1, {{FIELD_TARGET, NULL}}},

    {"env", ENV, STAGE_PROCESS, false, 1, {{FIELD_ASSIGNMENT, NULL}}},
    {"env-from", ENV_FROM, STAGE_PROCESS, false, 1, {{FIELD_VARIABLE, NULL}}},
    {"env-prefix", ENV_PREFIX, STAGE_PROCESS, false, 1, {{FIELD_TEXT, NULL}}},
    {"env-unset", ENV_UNSET, STAGE_PROCESS, false, 1, {{FIELD_VARIABLE, NULL}}},
    {"cwd", CWD, STAGE_PROCESS, true, 2, {{FIELD_TARGET, NULL}, {FIELD_PLACE, "refuse,create"}}},
    {"cwd-caller", CWD_CALLER, STAGE_PROCESS, true, 2, {{FIELD_FLAGS, "bind"}, {FIELD_TARGET, NULL}}},
    {"umask", UMASK, STAGE_PROCESS, true, 1, {{FIELD_MODE, NULL}}},
    {"limit", LIMIT, STAGE_PROCESS, false, 3, {{FIELD_CHOICE, LIMIT_NAMES}, {FIELD_BOUND, NULL}, {FIELD_BOUND, NULL}}},
    {"cpus", CPUS, STAGE_PROCESS, true, 1, {{FIELD_RANGES, NULL}}},
    {"fds", FDS, STAGE_PROCESS, true, 1, {{FIELD_DESCRIPTORS, NULL}}},
    {"user", USER, STAGE_PROCESS, true, 3, {{FIELD_ID, NULL}, {FIELD_ID, NULL}, {FIELD_IDS, NULL}}},
    {"streams", TAKE_STREAMS, STAGE_PROCESS, true, 3, {{FIELD_DESCRIPTOR, NULL}, {FIELD_DESCRIPTOR, NULL}, {FIELD_DESCRIPTOR, NULL}}},
    {"refuse-calls", REFUSE_CALLS, STAGE_PROCESS, true, 1, {{FIELD_NAMES, CALL_NAMES}}},
    {"owners", OWNERS, STAGE_PROCESS, true, 2, {{FIELD_HOST_OR_NONE, NULL}, {FIELD_HOST_OR_NONE, NULL}}},
    {"no-new-privs", NO_NEW_PRIVS, STAGE_PROCESS, true, 0, {{FIELD_TEXT, NULL}}},
    {"die-with-parent", DIE_WITH_PARENT, STAGE_PROCESS, true, 0, {{FIELD_TEXT, NULL}}},
    {"outside", OUTSIDE, STAGE_PROCESS, true, 0, {{FIELD_TEXT, NULL}}},

    {"watch", WATCH, STAGE_PROCESS, true, 5,
     {{FIELD_FLAGS, "logs,stdin,pty,detach,remove"}, {FIELD_HOST_OR_NONE, NULL}, {FIELD_SIGNAL, NULL}, {FIELD_SECONDS, NULL}, {FIELD_SECONDS, NULL}}},
    {"log-size", LOG_SIZE, STAGE_PROCESS, true, 2, {{FIELD_SIZE, NULL}, {FIELD_POSITIVE, NULL}}},
    {"attach", ATTACH, STAGE_PROCESS, true, 1, {{FIELD_SOCKET, NULL}}},
    {"ready", READY, STAGE_PROCESS, true, 1, {{FIELD_DESCRIPTOR, NULL}}},
    {"health", HEALTH, STAGE_PROCESS, true, AT_LEAST(5),
     {{FIELD_SECONDS, NULL}, {FIELD_SECONDS, NULL}, {FIELD_POSITIVE, NULL}, {FIELD_SECONDS, NULL}, {FIELD_WORD, NULL}}},
    {"helper", HELPER, STAGE_PROCESS, false, AT_LEAST(2), {{FIELD_WORD, NULL}, {FIELD_WORD, NULL}}},

    {"args", ARGS, STAGE_PROCESS, true, 1, {{FIELD_CHOICE, "append,replace,refuse"}}},
    {"default-arg", DEFAULT_ARG, STAGE_PROCESS, false, 1, {{FIELD_TEXT, NULL}}},
    {"exec", EXEC, STAGE_EXEC, true, AT_LEAST(0), {{FIELD_WORD, NULL}}},
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
        if (!list_has_part(words, text, part))
            return "has a word that is unknown here";
        if (text[part] == '\0')
            return NULL;
        text += part + 1;
    }
}

/* Seconds, perhaps with a point and up to three decimals; 68 years are enough. */
static const char *seconds_fault(const char *text)
{
    size_t whole = strcspn(text, "."), decimals = strlen(text + whole);
    bool right = is_number(text, whole, 10, INT_MAX) && (decimals == 0 || is_number(text + whole + 1, decimals - 1, 10, 999));
    return right && decimals <= 4 ? NULL : "is no number of seconds";
}

long long field_milliseconds(const char *text)
{
    static const unsigned SCALE[] = {1000, 100, 10, 1};
    size_t whole = strcspn(text, ".");
    long long milliseconds = (long long)field_number(text, 10) * 1000;
    if (text[whole] != '\0')
        milliseconds += (long long)field_number(text + whole + 1, 10) * SCALE[strlen(text + whole + 1)];
    return milliseconds;
}

static bool only_of(const char *text, const char *allowed)
{
    return *text != '\0' && text[strspn(text, allowed)] == '\0';
}

/* What the kernel splits a registration at must not stand in it, and of escapes there is only \xHH. */
static const char *magic_fault(const char *text)
{
    static const char HEX[] = "0123456789abcdefABCDEF";
    if (*text == '\0')
        return "is empty";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c <= 0x20 || c >= 0x7f || c == ':')
            return "is no list of bytes as \\xHH";
        if (c != '\\')
            continue;
        if (text[1] != 'x' || text[2] == '\0' || strchr(HEX, text[2]) == NULL || text[3] == '\0' || strchr(HEX, text[3]) == NULL)
            return "is no list of bytes as \\xHH";
        text += 3;
    }
    return NULL;
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

/* Of those that are one number, or a word instead of it; NULL also if `type` is none of them. */
static const char *number_fault(enum field_type type, const char *text)
{
    size_t length = strlen(text);
    bool above_zero = field_number(text, 10) > 0;
    switch (type) {
    case FIELD_NUMBER:
        return is_number(text, length, 10, LLONG_MAX) ? NULL : "is no number";
    case FIELD_SIZE:
        return is_number(text, length, 10, LLONG_MAX) && above_zero ? NULL : "is no number above 0";
    case FIELD_POSITIVE:
        return is_number(text, length, 10, INT_MAX) && above_zero ? NULL : "is no number above 0";
    case FIELD_SIGNAL:
        return is_number(text, length, 10, 64) && above_zero ? NULL : "is no number of a signal";
    case FIELD_MODE:
        return is_number(text, length, 8, 07777) ? NULL : "is no octal mode";
    case FIELD_OUTSIDE:
        return strcmp(text, "caller") == 0 || is_number(text, length, 10, UINT32_MAX - 1) ? NULL : "is no id";
    case FIELD_ID:
        return is_number(text, length, 10, UINT32_MAX - 1) ? NULL : "is no id";
    case FIELD_BOUND:
        return strcmp(text, "unlimited") == 0 || is_number(text, length, 10, ULLONG_MAX - 1) ? NULL : "is no limit";
    case FIELD_DESCRIPTOR:
        return is_number(text, length, 10, INT_MAX) && field_number(text, 10) > 2 ? NULL : "is no descriptor above 2";
    default:
        return NULL;
    }
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
    case FIELD_HOST_OR_NONE:
        return length == 0 ? NULL : path_fault(text, relative);
    case FIELD_SOCKET:
        return length > MAX_SOCKET_PATH ? "is longer than 107 bytes, too long for a socket" : path_fault(text, false);
    case FIELD_TARGET:
        return path_fault(text, false);
    case FIELD_CHOICE:
        return list_has_part(rule->words, text, length) ? NULL : "is no word that can stand here";
    case FIELD_PLACE:
        return list_has_part(rule->words, text, length) ? NULL : path_fault(text, false);
    case FIELD_FLAGS:
    case FIELD_NAMES:
        return flags_fault(rule->words, text, rule->type == FIELD_NAMES);
    case FIELD_SECONDS:
        return seconds_fault(text);
    case FIELD_IDS:
        return length == 0 ? NULL : numbers_fault(text, false, 0, UINT32_MAX - 1);
    case FIELD_ASSIGNMENT:
    case FIELD_VARIABLE:
        return variable_fault(text, rule->type == FIELD_ASSIGNMENT);
    case FIELD_DESCRIPTORS:
        return length == 0 ? NULL : numbers_fault(text, false, 3, INT_MAX);
    case FIELD_RANGES:
        return numbers_fault(text, true, 0, MAX_CPUS - 1);
    case FIELD_IDENTIFIER:
        return only_of(text, IDENTIFIER) ? NULL : "is no name of letters, digits, \".\", \"_\" and \"-\"";
    case FIELD_MAGIC:
        return magic_fault(text);
    default:
        return number_fault(rule->type, text);
    }
}
