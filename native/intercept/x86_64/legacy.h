/* Calls that only older architectures have: forms without a directory, fork, and the like. */
#ifndef SAMPAN_LEGACY_X86_64_H
#define SAMPAN_LEGACY_X86_64_H

#include "../calls/calls.h"

call_handler legacy_open, legacy_creat, legacy_stat, legacy_lstat, legacy_access, legacy_readlink, legacy_mkdir, legacy_rmdir;
call_handler legacy_unlink, legacy_symlink, legacy_mknod, legacy_rename, legacy_link, legacy_chmod, legacy_chown, legacy_lchown;
call_handler legacy_utime, legacy_utimes, legacy_futimesat;

/* For the table in calls/table.c. */
#define LEGACY_CALLS \
    [NR_open] = {legacy_open, ALWAYS, 0}, \
    [NR_creat] = {legacy_creat, ALWAYS, 0}, \
    [NR_stat] = {legacy_stat, ALWAYS, 0}, \
    [NR_lstat] = {legacy_lstat, ALWAYS, 0}, \
    [NR_access] = {legacy_access, ALWAYS, 0}, \
    [NR_readlink] = {legacy_readlink, ALWAYS, 0}, \
    [NR_mkdir] = {legacy_mkdir, ALWAYS, 0}, \
    [NR_rmdir] = {legacy_rmdir, ALWAYS, 0}, \
    [NR_unlink] = {legacy_unlink, ALWAYS, 0}, \
    [NR_symlink] = {legacy_symlink, ALWAYS, 0}, \
    [NR_mknod] = {legacy_mknod, ALWAYS, 0}, \
    [NR_rename] = {legacy_rename, ALWAYS, 0}, \
    [NR_link] = {legacy_link, ALWAYS, 0}, \
    [NR_chmod] = {legacy_chmod, ALWAYS, 0}, \
    [NR_chown] = {legacy_chown, ALWAYS, 0}, \
    [NR_lchown] = {legacy_lchown, ALWAYS, 0}, \
    [NR_utime] = {legacy_utime, ALWAYS, 0}, \
    [NR_utimes] = {legacy_utimes, ALWAYS, 0}, \
    [NR_futimesat] = {legacy_futimesat, ALWAYS, 0}, \
    [NR_getdents] = {call_getdents, ALWAYS, 0}, \
    [NR_fork] = {call_fork, ALWAYS, 0}, \
    [NR_vfork] = {call_vfork, ALWAYS, 0}, \
    [NR_dup2] = {call_dup2, IF_RESERVED_1, 0}, \
    [NR_arch_prctl] = {call_arch_prctl, IF_ARCH_PRCTL, 0}, \
    [NR_uselib] = {NULL, ANSWER_ENOSYS, 0}

#endif
