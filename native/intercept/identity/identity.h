/* Ids that the guest sees in place of the caller's: with 0, root is imitated.
 *
 * Theory of operation. The kernel knows one user, the caller. What the guest sees of users is kept apart: each process has its own ids, which change
 * by the kernel's rules and travel through exec; each file that has not the default owner or mode has an entry in a table that all
 * processes share and that can be kept with the container (owners.h). By default a file of the caller is shown with the container's ids, every other
 * with 65534, as in a user namespace that maps one id.
 *
 * An imitated root is never kept out of the container's own files: on disk they keep the owner's right to read and write, and directories
 * that to pass; nothing is ever setuid there. The mode that was asked for is in the table. Files outside of the root, that is
 * behind binds, are the caller's own business and get the modes as they are asked for. */
#ifndef SAMPAN_IDENTITY_H
#define SAMPAN_IDENTITY_H

#include "../calls/calls.h"
#include "../exec/state.h"
#include "../paths/place.h"

#define OVERFLOW_ID 65534u

/* --- ids.c --- */
/* The ids of the calling process. */
const struct ids *current_ids(void);
/* Has it root's capabilities? */
bool identity_is_root(void);
/* prctl PR_SET_KEEPCAPS, and what capset leaves. */
long identity_keep_capabilities(u64 keep);
void identity_set_capabilities(bool effective, bool permitted);
/* The first process of a container. */
void identity_begin(u32 uid, u32 gid);
/* Into the state that exec carries on; a setuid program changes them. `fd` is the program. */
void identity_for_exec(struct exec_state *state, int fd);
/* A value of the auxiliary vector. */
u64 identity_auxiliary(u64 type, u64 value);

/* --- files.c --- */
void identity_show_stat(struct stat *status);
void identity_show_statx(struct statx *status);
/* access(2) for an imitated root. */
long identity_root_access(struct place *place, int mode);
long identity_mkdir(struct place *place, u64 mode);
long identity_mknod(struct place *place, u64 mode, u64 device);
long identity_chmod(struct place *place, u64 mode);
long identity_chown(struct place *place, u32 uid, u32 gid);
/* Something was made by the calling process at this place. */
void identity_created(struct place *place);
/* The same for a new file of open(2), whose mode was `mode`. */
void identity_created_file(int fd, u64 mode);
/* The bits of a mode that may go to disk when a file is created there. */
u64 identity_disk_mode(struct place *place, u64 mode);
/* An open was refused: if the imitated root may do it, the file on disk is made so that it can be repeated. */
bool identity_relax(struct place *place);
/* The entry's key before a removal, 0 if it has none or other names remain; and after it. */
u64 identity_key(const struct place *place);
void identity_removed(u64 key);
/* Attributes that only root can set: an imitated one is told that it did. */
bool identity_accepts_xattr(u64 name, long error);

/* --- credentials.c --- */
/* Ids in SCM_CREDENTIALS of a message's control data, which is changed in place. */
void identity_hide_credentials(void *control, u64 length);
void identity_show_credentials(void *control, u64 length);

call_handler call_getuid, call_geteuid, call_getgid, call_getegid, call_getresuid, call_getresgid, call_setuid, call_setgid, call_setreuid;
call_handler call_setregid, call_setresuid, call_setresgid, call_setfsuid, call_setfsgid, call_getgroups, call_setgroups, call_capget;
call_handler call_capset, call_getsockopt;

/* For the table in calls/table.c. */
#define IDENTITY_CALLS \
    [NR_getuid] = {call_getuid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_geteuid] = {call_geteuid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_getgid] = {call_getgid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_getegid] = {call_getegid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_getresuid] = {call_getresuid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_getresgid] = {call_getresgid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_setuid] = {call_setuid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_setgid] = {call_setgid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_setreuid] = {call_setreuid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_setregid] = {call_setregid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_setresuid] = {call_setresuid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_setresgid] = {call_setresgid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_setfsuid] = {call_setfsuid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_setfsgid] = {call_setfsgid, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_getgroups] = {call_getgroups, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_setgroups] = {call_setgroups, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_capget] = {call_capget, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_capset] = {call_capset, ALWAYS, OPTION_SHOWN_IDS}, \
    [NR_getsockopt] = {call_getsockopt, IF_ASKS_CREDENTIALS, OPTION_SHOWN_IDS}

#endif
