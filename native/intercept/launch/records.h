/* The grammar of launch files (docs/design/launch-file.md), and which of their records this engine carries out. */
#ifndef SAMPAN_RECORDS_H
#define SAMPAN_RECORDS_H

#include "../kernel/types.h"

#define RECORD_LIMIT 65536
#define FILE_LIMIT (8UL << 20)

enum record_name {
    RECORD_OWNER, RECORD_IMAGE, RECORD_LABEL, RECORD_IGNORED, RECORD_TOUCH, RECORD_UID_MAP, RECORD_GID_MAP, RECORD_ROOT_TREE, RECORD_BIND,
    RECORD_TMPFS, RECORD_FILE, RECORD_MKDIR, RECORD_SYMLINK, RECORD_DEV, RECORD_MASK, RECORD_READ_ONLY, RECORD_ENV, RECORD_ENV_FROM,
    RECORD_ENV_PREFIX, RECORD_ENV_UNSET, RECORD_CWD, RECORD_CWD_CALLER, RECORD_UMASK, RECORD_LIMIT_SET, RECORD_CPUS, RECORD_FDS,
    RECORD_DIE_WITH_PARENT, RECORD_ARGS, RECORD_DEFAULT_ARG, RECORD_ENGINE, RECORD_EXEC, RECORD_REFUSED
};

struct record {
    enum record_name name;
    const char *text;    /* its name in the file */
    const char *fields;  /* the first; each is followed by a NUL */
    u32 count;
    const char *refusal; /* RECORD_REFUSED: why this engine cannot do it */
};

struct record_reader {
    const char *at, *end;
    u32 number;          /* of the record read last, from 1 */
    bool ended;          /* exec was read */
    bool root;
};

/* Checks the header and prepares for reading; fails with a sentence. `bytes` ends with a NUL that is not counted. */
void records_open(struct record_reader *reader, const char *bytes, u64 size);
/* The next record, false at the end. Fails with a sentence if the file breaks a rule. */
bool records_next(struct record_reader *reader, struct record *record);

const char *record_field(const struct record *record, u32 index);
/* Is `word` in a comma list? */
bool list_has(const char *list, const char *word);
/* The first word of the list that is none of `known`; NULL: all are. */
bool list_knows(const char *list, const char *known);

#endif
