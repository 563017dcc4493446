/* The records of the launch file format (docs/design/launch-file.md) as one table. */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdbool.h>
#include <stddef.h>

enum record_name {
    OWNER, IMAGE, LABEL, TOUCH,
    UNSHARE, UID_MAP, GID_MAP, HOSTNAME, LOOPBACK,
    ROOT_TREE, ROOT_MEMORY, ROOT_OVERLAY,
    FALLBACK_TMPFS, BIND, TMPFS, FILE_CONTENT, MKDIR, SYMLINK, PROC, SYSFS, MQUEUE, DEVPTS, DEV, MASK, READ_ONLY,
    ENV, ENV_FROM, ENV_PREFIX, ENV_UNSET, CWD, CWD_CALLER, UMASK, LIMIT, CPUS, FDS, NO_NEW_PRIVS, DIE_WITH_PARENT,
    ARGS, DEFAULT_ARG, EXEC,
    LATER, /* every record whose part is not built */
};

/* Records of a later stage may not stand before one of an earlier stage; those of PROCESS may stand anywhere. */
enum stage { STAGE_GUARD, STAGE_NAMESPACE, STAGE_ROOT, STAGE_MOUNT, STAGE_PROCESS, STAGE_EXEC };

enum field_type {
    FIELD_TEXT,      /* any bytes */
    FIELD_WORD,      /* at least one */
    FIELD_HOST,      /* a path of this machine, perhaps relative to the launch file */
    FIELD_TARGET,    /* a path inside the root: absolute */
    FIELD_CHOICE,    /* one of `words` */
    FIELD_PLACE,     /* one of `words` or a path inside the root */
    FIELD_FLAGS,     /* a comma list of some of `words`, or empty */
    FIELD_NAMES,     /* the same, not empty; a word known but not built is named as such */
    FIELD_NUMBER,    /* bytes or seconds */
    FIELD_MODE,      /* octal */
    FIELD_ID,        /* a user or group id */
    FIELD_OUTSIDE,   /* the same, or `caller` */
    FIELD_BOUND,     /* a number or `unlimited` */
    FIELD_ASSIGNMENT,/* NAME=VALUE */
    FIELD_VARIABLE,  /* the name of a variable, or the beginning of names */
    FIELD_DESCRIPTORS, /* comma list of numbers above 2, or empty */
    FIELD_RANGES,    /* comma list of numbers and ranges */
};

enum { MAX_FIELDS = 4, ANY_COUNT = -1, MAX_CPUS = 8192, MAX_PATH = 4096 };

struct field_rule {
    enum field_type type;
    const char *words;
};

struct record_kind {
    const char *text;
    enum record_name name;
    enum stage stage;
    bool once;
    int count; /* of fields, or ANY_COUNT */
    struct field_rule fields[MAX_FIELDS];
};

/* The kind of this name, or NULL. */
const struct record_kind *record_kind(const char *text);

/* Is `word` one of the comma list? */
bool list_has(const char *list, const char *word);

/* Why this text is no field of that rule, for a sentence that begins with the text; NULL if it is one. */
const char *field_fault(const struct field_rule *rule, const char *text, bool relative);

/* A checked number: decimal, or octal for modes. */
unsigned long long field_number(const char *text, int base);

#endif
