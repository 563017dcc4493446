#include "legacy.h"

long legacy_open(struct frame *frame)
{
    return do_open(AT_FDCWD, frame->arg[0], (u32)frame->arg[1], (u32)frame->arg[2]);
}

long legacy_creat(struct frame *frame)
{
    return do_open(AT_FDCWD, frame->arg[0], O_CREAT | O_TRUNC | O_WRONLY, (u32)frame->arg[1]);
}

long legacy_stat(struct frame *frame)
{
    return do_stat(AT_FDCWD, frame->arg[0], (struct stat *)frame->arg[1], 0);
}

long legacy_lstat(struct frame *frame)
{
    return do_stat(AT_FDCWD, frame->arg[0], (struct stat *)frame->arg[1], AT_SYMLINK_NOFOLLOW);
}

long legacy_access(struct frame *frame)
{
    return do_access(AT_FDCWD, frame->arg[0], (int)frame->arg[1], 0);
}

/* Unlike readlinkat, readlink of an empty name is an error. */
long legacy_readlink(struct frame *frame)
{
    if ((i32)frame->arg[2] <= 0)
        return -EINVAL;
    if (!*(const char *)frame->arg[0])
        return -ENOENT;
    return do_readlink(AT_FDCWD, frame->arg[0], (char *)frame->arg[1], frame->arg[2]);
}

long legacy_mkdir(struct frame *frame)
{
    return do_mkdir(AT_FDCWD, frame->arg[0], (u32)frame->arg[1]);
}

long legacy_rmdir(struct frame *frame)
{
    return do_unlink(AT_FDCWD, frame->arg[0], AT_REMOVEDIR);
}

long legacy_unlink(struct frame *frame)
{
    return do_unlink(AT_FDCWD, frame->arg[0], 0);
}

long legacy_symlink(struct frame *frame)
{
    return do_symlink(frame->arg[0], AT_FDCWD, frame->arg[1]);
}

long legacy_mknod(struct frame *frame)
{
    return do_mknod(AT_FDCWD, frame->arg[0], (u32)frame->arg[1], (u32)frame->arg[2]);
}

long legacy_rename(struct frame *frame)
{
    return do_rename(AT_FDCWD, frame->arg[0], AT_FDCWD, frame->arg[1], 0);
}

long legacy_link(struct frame *frame)
{
    return do_link(AT_FDCWD, frame->arg[0], AT_FDCWD, frame->arg[1], 0);
}

long legacy_chmod(struct frame *frame)
{
    return do_chmod(AT_FDCWD, frame->arg[0], (u32)frame->arg[1], 0);
}

long legacy_chown(struct frame *frame)
{
    return do_chown(AT_FDCWD, frame->arg[0], (u32)frame->arg[1], (u32)frame->arg[2], 0);
}

long legacy_lchown(struct frame *frame)
{
    return do_chown(AT_FDCWD, frame->arg[0], (u32)frame->arg[1], (u32)frame->arg[2], AT_SYMLINK_NOFOLLOW);
}

/* Seconds only: struct utimbuf. */
long legacy_utime(struct frame *frame)
{
    const long *seconds = (const long *)frame->arg[1];
    long times[4] = {0};
    if (seconds) {
        times[0] = seconds[0];
        times[2] = seconds[1];
    }
    return frame->arg[0] ? do_utimens(AT_FDCWD, frame->arg[0], seconds ? times : NULL, 0, false) : -EFAULT;
}

long legacy_utimes(struct frame *frame)
{
    return frame->arg[0] ? do_utimens(AT_FDCWD, frame->arg[0], (const void *)frame->arg[1], 0, true) : -EFAULT;
}

long legacy_futimesat(struct frame *frame)
{
    return do_utimens(argument_fd(frame, 0), frame->arg[1], (const void *)frame->arg[2], 0, true);
}
