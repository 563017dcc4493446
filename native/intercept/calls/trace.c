#include "trace.h"

#include "../kernel/calls.h"
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../threads/thread.h"

#define LINE 700
#define SHOWN_PATH 200

static const struct {
    u16 number;
    const char *name;
} names[] = {
#define NUMBER(value, name) {value, #name},
#include "../x86_64/numbers.def"
#undef NUMBER
};

static const char *name_of(u64 nr)
{
    for (size_t i = 0; i < LENGTH(names); i++)
        if (names[i].number == nr)
            return names[i].name;
    return number_text(nr);
}

/* Which arguments are paths: a bit each. */
static u32 path_arguments(u64 nr)
{
    switch (nr) {
    case NR_open: case NR_creat: case NR_stat: case NR_lstat: case NR_access: case NR_readlink: case NR_mkdir: case NR_rmdir:
    case NR_unlink: case NR_mknod: case NR_chmod: case NR_chown: case NR_lchown: case NR_utime: case NR_utimes: case NR_chdir:
    case NR_chroot: case NR_execve: case NR_truncate: case NR_statfs: case NR_getxattr: case NR_lgetxattr: case NR_setxattr:
    case NR_lsetxattr: case NR_listxattr: case NR_llistxattr: case NR_removexattr: case NR_lremovexattr:
        return 1;
    case NR_rename: case NR_link: case NR_symlink:
        return 1 | 2;
    case NR_openat: case NR_openat2: case NR_newfstatat: case NR_statx: case NR_faccessat: case NR_faccessat2: case NR_readlinkat:
    case NR_mkdirat: case NR_unlinkat: case NR_mknodat: case NR_fchmodat: case NR_fchmodat2: case NR_fchownat: case NR_utimensat:
    case NR_futimesat: case NR_execveat: case NR_name_to_handle_at: case NR_inotify_add_watch:
        return 2;
    case NR_renameat: case NR_renameat2: case NR_linkat:
        return 2 | 8;
    case NR_symlinkat:
        return 1 | 4;
    default:
        return 0;
    }
}

static char *put_path(char *to, u64 pointer)
{
    const char *text = (const char *)pointer;
    if (!text)
        return put_text(to, "NULL");
    *to++ = '"';
    for (int i = 0; i < SHOWN_PATH && text[i]; i++)
        *to++ = text[i] < ' ' || text[i] == 127 ? '?' : text[i];
    return put_text(to, "\"");
}

static char *put_head(char *to)
{
    return put_text(put_number(put_text(to, "sampan: "), (u64)KERNEL(gettid)), " ");
}

void trace_call(const struct frame *frame)
{
    char line[LINE], *at = put_text(put_text(put_head(line), name_of(frame->nr)), "(");
    u32 paths = path_arguments(frame->nr);
    for (int i = 0; i < 5; i++) {
        if (i)
            at = put_text(at, ", ");
        if (paths & (1u << i))
            at = put_path(at, frame->arg[i]);
        else if ((i64)(i32)frame->arg[i] == (i64)frame->arg[i] && (i32)frame->arg[i] < 0)
            at = put_number(put_text(at, "-"), (u64) - (i64)frame->arg[i]);
        else
            at = frame->arg[i] < 4096 ? put_number(at, frame->arg[i]) : put_hex(put_text(at, "0x"), frame->arg[i]);
    }
    at = put_text(at, ")\n");
    KERNEL(write, 2, line, at - line);
}

void trace_result(u64 nr, long result)
{
    char line[LINE], *at = put_text(put_text(put_head(line), name_of(nr)), " = ");
    if (result < 0 && result > -4096)
        at = put_text(put_text(put_number(put_text(at, "-"), (u64)-result), " "), error_words(result));
    else
        at = result >= 0 && result < 65536 ? put_number(at, (u64)result) : put_hex(put_text(at, "0x"), (u64)result);
    at = put_text(at, "\n");
    KERNEL(write, 2, line, at - line);
}
