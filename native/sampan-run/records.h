/* The records of the launch file format (docs/design/launch-file.md) as one table. */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdbool.h>
#include <stddef.h>

enum record_name {
    OWNER, IMAGE, LABEL, TOUCH,
    UNSHARE, UID_MAP, GID_MAP, MAP_TOOLS, ENTER, CGROUP, HOSTNAME, LOOPBACK,
    ROOT_TREE, ROOT_MEMORY, ROOT_OVERLAY, ROOT_HOST,
    FALLBACK_TMPFS, BIND, TMPFS, FILE_CONTENT, MKDIR, SYMLINK, PROC, SYSFS, MQUEUE, DEVPTS, DEV, MASK, BINFMT, READ_ONLY,
    ENV, ENV_FROM, ENV_PREFIX, ENV_UNSET, CWD, CWD_CALLER, UMASK, LIMIT, CPUS, FDS, USER, OWNERS, NO_NEW_PRIVS, DIE_WITH_PARENT,
    REFUSE_CALLS, TAKE_STREAMS,
    OUTSIDE, WATCH, LOG_SIZE, ATTACH, READY, HEALTH, HELPER, ARGS, DEFAULT_ARG, EXEC,
    LATER, /* every record whose part is not built */
};

/* Records of a later stage may not stand before one of an earlier stage; those of PROCESS may stand anywhere. */
enum stage { STAGE_GUARD, STAGE_NAMESPACE, STAGE_ROOT, STAGE_MOUNT, STAGE_PROCESS, STAGE_EXEC };

enum field_type {
    FIELD_TEXT,      /* any bytes */
    FIELD_WORD,      /* at least one */
    FIELD_HOST,      /* a path of this machine, perhaps relative to the launch file */
    FIELD_HOST_OR_NONE, /* the same, or empty */
    FIELD_SOCKET,    /* an absolute path of this machine that fits into a socket's address */
    FIELD_TARGET,    /* a path inside the root: absolute */
    FIELD_CHOICE,    /* one of `words` */
    FIELD_PLACE,     /* one of `words` or a path inside the root */
    FIELD_FLAGS,     /* a comma list of some of `words`, or empty */
    FIELD_NAMES,     /* the same, not empty */
    FIELD_NUMBER,    /* bytes */
    FIELD_SIZE,      /* bytes, at least 1 */
    FIELD_POSITIVE,  /* at least 1 */
    FIELD_SECONDS,   /* with up to three decimals */
    FIELD_SIGNAL,    /* 1 to 64 */
    FIELD_MODE,      /* octal */
    FIELD_ID,        /* a user or group id */
    FIELD_IDS,       /* a comma list of them, or empty */
    FIELD_OUTSIDE,   /* the same, or `caller` */
    FIELD_BOUND,     /* a number or `unlimited` */
    FIELD_ASSIGNMENT,/* NAME=VALUE */
    FIELD_VARIABLE,  /* the name of a variable, or the beginning of names */
    FIELD_DESCRIPTOR, /* a number above 2 */
    FIELD_DESCRIPTORS, /* comma list of such numbers, or empty */
    FIELD_IDENTIFIER, /* letters, digits, `.`, `_`, `-` */
    FIELD_MAGIC,     /* bytes as \xHH or themselves, for the kernel */
    FIELD_RANGES,    /* comma list of numbers and ranges */
};

enum { MAX_FIELDS = 5, MAX_CPUS = 8192, MAX_PATH = 4096, MAX_SOCKET_PATH = 107, MAX_GROUPS = 64, MAX_LOG_FILES = 1000 };

/* A count of fields that is only the lowest one. */
#define AT_LEAST(count) (-1 - (count))

struct field_rule {
    enum field_type type;
    const char *words;
};

struct record_kind {
    const char *text;
    enum record_name name;
    enum stage stage;
    bool once;
    int count; /* of fields, or AT_LEAST(count) */
    struct field_rule fields[MAX_FIELDS]; /* any text may stand behind them */
};

/* The kind of this name, or NULL. */
const struct record_kind *record_kind(const char *text);

/* Is `word` one of the comma list? */
bool list_has(const char *list, const char *word);

/* Why this text is no field of that rule, for a sentence that begins with the text; NULL if it is one. */
const char *field_fault(const struct field_rule *rule, const char *text, bool relative);

/* A checked number: decimal, or octal for modes. */
unsigned long long field_number(const char *text, int base);

/* Checked seconds, as milliseconds. */
long long field_milliseconds(const char *text);

#endif
