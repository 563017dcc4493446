#include "../kernel/text.h"
#include "../threads/process.h"
#include "identity.h"
#include "owners.h"

/* The kernel's rules of credentials(7), for ids that it does not know. A vfork child changes a copy of its own. */

#define UNCHANGED 0xffffffffu

const struct ids *current_ids(void)
{
    const struct thread *thread = this_thread();
    return thread->own_ids ? &thread->ids : &process.ids;
}

static struct ids *ids_to_change(void)
{
    struct thread *thread = this_thread();
    if (!thread->borrowed)
        return &process.ids;
    if (!thread->own_ids)
        thread->ids = process.ids;
    thread->own_ids = true;
    return &thread->ids;
}

bool identity_is_root(void)
{
    return current_ids()->effective;
}

void identity_begin(u32 uid, u32 gid)
{
    process.ids = (struct ids){uid, uid, uid, uid, gid, gid, gid, gid, uid == 0, uid == 0, 0, 1, {gid}};
}

void identity_for_exec(struct exec_state *state, int fd)
{
    struct stat status;
    if (!has_option(OPTION_SHOWN_IDS))
        return;
    state->has_ids = true;
    state->ids = *current_ids();
    if (!KERNEL(fstat, fd, &status)) {
        identity_show_stat(&status);
        if (status.mode & S_ISUID)
            state->ids.euid = status.uid;
        if ((status.mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
            state->ids.egid = status.gid;
    }
    state->ids.suid = state->ids.fsuid = state->ids.euid;
    state->ids.effective = state->ids.permitted = state->ids.euid == 0 || state->ids.ruid == 0;
    if (state->ids.euid)
        state->ids.effective = 0;
    state->ids.keep = 0;
    state->ids.sgid = state->ids.fsgid = state->ids.egid;
}

u64 identity_auxiliary(u64 type, u64 value)
{
    const struct ids *ids = current_ids();
    if (!has_option(OPTION_SHOWN_IDS))
        return value;
    switch (type) { /* AT_UID and so on, exec/elf.h */
    case 11: return ids->ruid;
    case 12: return ids->euid;
    case 13: return ids->rgid;
    default: return ids->egid;
    }
}

/* The four ids of a kind: real, effective, saved, of the file system. They lie in this order in struct ids. */
static u32 *four(bool user)
{
    struct ids *ids = ids_to_change();
    return user ? &ids->ruid : &ids->rgid;
}

/* What a change of user ids does to capabilities. */
static long uids_changed(const struct ids *old, long result)
{
    struct ids *ids = ids_to_change();
    bool was = !old->ruid || !old->euid || !old->suid, is = !ids->ruid || !ids->euid || !ids->suid;
    if (result)
        return result;
    if (was && !is && !ids->keep)
        ids->permitted = ids->effective = 0;
    if (!old->euid && ids->euid)
        ids->effective = 0;
    if (old->euid && !ids->euid)
        ids->effective = ids->permitted;
    return 0;
}

static bool is_one_of(u32 id, const u32 *ids, int count)
{
    for (int i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return id == UNCHANGED;
}

static long set_all(u32 *ids, u32 id)
{
    bool root = identity_is_root();
    if (id == UNCHANGED)
        return -EINVAL;
    if (!root && ids[0] != id && ids[2] != id)
        return -EPERM;
    if (root)
        ids[0] = ids[2] = id;
    ids[1] = ids[3] = id;
    return 0;
}

static long set_two(u32 *ids, u32 real, u32 effective)
{
    if (!identity_is_root() && (!is_one_of(real, ids, 2) || !is_one_of(effective, ids, 3)))
        return -EPERM;
    u32 old_real = ids[0];
    if (real != UNCHANGED)
        ids[0] = real;
    if (effective != UNCHANGED)
        ids[1] = effective;
    if (real != UNCHANGED || (effective != UNCHANGED && effective != old_real))
        ids[2] = ids[1];
    ids[3] = ids[1];
    return 0;
}

static long set_three(u32 *ids, u32 real, u32 effective, u32 saved)
{
    if (!identity_is_root() && (!is_one_of(real, ids, 3) || !is_one_of(effective, ids, 3) || !is_one_of(saved, ids, 3)))
        return -EPERM;
    if (real != UNCHANGED)
        ids[0] = real;
    if (effective != UNCHANGED)
        ids[1] = effective;
    if (saved != UNCHANGED)
        ids[2] = saved;
    ids[3] = ids[1];
    return 0;
}

static long set_file_system(u32 *ids, u32 id)
{
    u32 old = ids[3];
    if (id != UNCHANGED && (identity_is_root() || is_one_of(id, ids, 4)))
        ids[3] = id;
    return old;
}

static long give_three(const u32 *ids, struct frame *frame)
{
    for (int i = 0; i < 3; i++)
        *(u32 *)frame->arg[i] = ids[i];
    return 0;
}

long call_getuid(struct frame *frame)
{
    (void)frame;
    return current_ids()->ruid;
}

long call_geteuid(struct frame *frame)
{
    (void)frame;
    return current_ids()->euid;
}

long call_getgid(struct frame *frame)
{
    (void)frame;
    return current_ids()->rgid;
}

long call_getegid(struct frame *frame)
{
    (void)frame;
    return current_ids()->egid;
}

long call_getresuid(struct frame *frame)
{
    return give_three(&current_ids()->ruid, frame);
}

long call_getresgid(struct frame *frame)
{
    return give_three(&current_ids()->rgid, frame);
}

long call_setuid(struct frame *frame)
{
    struct ids old = *current_ids();
    return uids_changed(&old, set_all(four(true), (u32)frame->arg[0]));
}

long call_setgid(struct frame *frame)
{
    return set_all(four(false), (u32)frame->arg[0]);
}

long call_setreuid(struct frame *frame)
{
    struct ids old = *current_ids();
    return uids_changed(&old, set_two(four(true), (u32)frame->arg[0], (u32)frame->arg[1]));
}

long call_setregid(struct frame *frame)
{
    return set_two(four(false), (u32)frame->arg[0], (u32)frame->arg[1]);
}

long call_setresuid(struct frame *frame)
{
    struct ids old = *current_ids();
    return uids_changed(&old, set_three(four(true), (u32)frame->arg[0], (u32)frame->arg[1], (u32)frame->arg[2]));
}

long call_setresgid(struct frame *frame)
{
    return set_three(four(false), (u32)frame->arg[0], (u32)frame->arg[1], (u32)frame->arg[2]);
}

long call_setfsuid(struct frame *frame)
{
    return set_file_system(four(true), (u32)frame->arg[0]);
}

long call_setfsgid(struct frame *frame)
{
    return set_file_system(four(false), (u32)frame->arg[0]);
}

long call_getgroups(struct frame *frame)
{
    const struct ids *ids = current_ids();
    i32 room = (i32)frame->arg[0];
    if (room < 0 || (room && (u32)room < ids->group_count))
        return -EINVAL;
    if (room)
        memcpy((u32 *)frame->arg[1], ids->groups, ids->group_count * sizeof(u32));
    return ids->group_count;
}

#define GROUPS_OF_KERNEL 65536

/* More than the engine can carry are forgotten. */
long call_setgroups(struct frame *frame)
{
    u32 count = (u32)frame->arg[0];
    if (!identity_is_root())
        return -EPERM;
    if (count > GROUPS_OF_KERNEL)
        return -EINVAL;
    u32 kept = count < GROUP_LIMIT ? count : GROUP_LIMIT, groups[GROUP_LIMIT];
    memcpy(groups, (const u32 *)frame->arg[1], kept * sizeof(u32));
    struct ids *ids = ids_to_change();
    memcpy(ids->groups, groups, kept * sizeof(u32));
    ids->group_count = kept;
    return 0;
}

long identity_keep_capabilities(u64 keep)
{
    if (keep > 1)
        return -EINVAL;
    ids_to_change()->keep = (u32)keep;
    return 0;
}

void identity_set_capabilities(bool effective, bool permitted)
{
    struct ids *ids = ids_to_change();
    ids->effective = effective;
    ids->permitted = permitted;
}
