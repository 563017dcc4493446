/* The calls that the engine handles: one table gives both the filter and the handlers. */
#ifndef SAMPAN_HANDLERS_H
#define SAMPAN_HANDLERS_H

#include "../threads/thread.h"

typedef long call_handler(struct frame *frame);

/* When a call is stopped; all others run as if there were no engine. */
enum when {
    NEVER,
    ALWAYS,
    ANSWER_EPERM,      /* by the filter itself */
    ANSWER_ENOSYS,
    IF_RESERVED_0,     /* argument 0 is a reserved descriptor */
    IF_RESERVED_1,
    IF_1, IF_3, IF_4, IF_5, /* this argument is not zero */
    IF_NOT_1,          /* argument 1 is zero */
    IF_SETS_FLAGS,     /* fcntl F_SETFD of a reserved descriptor */
    IF_CHANGES_MASK,   /* rt_sigprocmask that may block */
    IF_SIGNAL_MATTERS, /* rt_sigaction: sets one, or asks for one of the engine's */
    IF_ASKS_TRACER,    /* ptrace PTRACE_TRACEME */
    IF_PRCTL, IF_ARCH_PRCTL, IF_BPF, IF_IOCTL, IF_EXECUTABLE_FILE, IF_ASKS_CREDENTIALS
};

struct call {
    call_handler *handler;
    u8 when;
    u16 options; /* only in a container with one of these; 0: always */
};

#define CALL_LIMIT 480
extern const struct call calls[CALL_LIMIT];

/* Arguments by type. */
static inline int argument_fd(const struct frame *frame, int index)
{
    return (int)frame->arg[index];
}

/* --- files.c, names.c, ... : by topic --- */
call_handler call_openat, call_openat2, call_name_to_handle_at;
call_handler call_newfstatat, call_statx, call_fstat, call_faccessat, call_faccessat2, call_readlinkat, call_statfs, call_fstatfs;
call_handler call_mkdirat, call_unlinkat, call_symlinkat, call_mknodat, call_renameat, call_renameat2, call_linkat;
call_handler call_fchmodat, call_fchmodat2, call_fchmod, call_fchownat, call_fchown, call_truncate, call_utimensat;
call_handler call_setxattr, call_lsetxattr, call_fsetxattr, call_getxattr, call_lgetxattr, call_listxattr, call_llistxattr;
call_handler call_removexattr, call_lremovexattr, call_fremovexattr;
call_handler call_setxattrat, call_getxattrat, call_listxattrat, call_removexattrat, call_file_getattr, call_file_setattr;
call_handler call_chdir, call_fchdir, call_getcwd, call_chroot, call_inotify_add_watch, call_fanotify_mark, call_quotactl;
call_handler call_execve, call_execveat, call_getdents, call_getdents64, call_mmap, call_ioctl;
call_handler call_close, call_dup2, call_dup3, call_fcntl, call_close_range;
call_handler call_connect, call_bind, call_sendto, call_sendmsg, call_sendmmsg, call_recvfrom, call_recvmsg, call_recvmmsg, call_sockname;
call_handler call_prctl, call_seccomp, call_arch_prctl, call_bpf, call_ptrace;

/* Shared by the handlers of *at calls and of their forms without a directory. */
long do_open(int from, u64 path, u64 flags, u64 mode);
long do_stat(int from, u64 path, struct stat *status, int flags);
long do_access(int from, u64 path, int mode, int flags);
long do_readlink(int from, u64 path, char *text, u64 size);
long do_mkdir(int from, u64 path, u64 mode);
long do_unlink(int from, u64 path, int flags);
long do_symlink(u64 target, int from, u64 path);
long do_mknod(int from, u64 path, u64 mode, u64 device);
long do_rename(int from, u64 old_path, int to, u64 new_path, u64 flags);
long do_link(int from, u64 old_path, int to, u64 new_path, int flags);
long do_chmod(int from, u64 path, u64 mode, int flags);
long do_chown(int from, u64 path, u32 uid, u32 gid, int flags);
long do_utimens(int from, u64 path, const void *times, int flags, bool microseconds);

#endif
