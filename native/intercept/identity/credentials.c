/* Capabilities, and the ids that sockets tell about their peers. */
#include "../kernel/text.h"
#include "identity.h"

#define CAPABILITY_VERSION_3 0x20080522u
#define ALL_LOW 0xffffffffu
#define ALL_HIGH 0x1ffu /* 41 capabilities */
#define SCM_CREDENTIALS 2

struct capability_header {
    u32 version;
    i32 pid;
};

struct capability_data {
    u32 effective, permitted, inheritable;
};

struct credentials {
    i32 pid;
    u32 uid, gid;
};

/* An imitated root has all of them, in its own eyes. */
long call_capget(struct frame *frame)
{
    struct capability_header *header = (struct capability_header *)frame->arg[0];
    struct capability_data *data = (struct capability_data *)frame->arg[1];
    const struct ids *ids = current_ids();
    if (header->version != CAPABILITY_VERSION_3 || !data)
        return KERNEL(capget, header, data);
    data[0] = (struct capability_data){ids->effective ? ALL_LOW : 0, ids->permitted ? ALL_LOW : 0, 0};
    data[1] = (struct capability_data){ids->effective ? ALL_HIGH : 0, ids->permitted ? ALL_HIGH : 0, 0};
    return 0;
}

long call_capset(struct frame *frame)
{
    const struct capability_header *header = (const struct capability_header *)frame->arg[0];
    const struct capability_data *data = (const struct capability_data *)frame->arg[1];
    bool effective = data[0].effective || data[1].effective, permitted = data[0].permitted || data[1].permitted;
    if (header->version != CAPABILITY_VERSION_3)
        return KERNEL(capset, header, data);
    if ((data[0].effective & ~data[0].permitted) || (permitted && !current_ids()->permitted))
        return -EPERM;
    identity_set_capabilities(effective, permitted);
    return 0;
}

static u32 shown(u32 id, u32 own, u32 as)
{
    return id == own ? as : OVERFLOW_ID;
}

/* SO_PEERCRED. Only the caller's ids are known to the kernel: all processes of the container have them. */
long call_getsockopt(struct frame *frame)
{
    const u64 *a = frame->arg;
    struct credentials peer;
    u32 size = sizeof peer;
    if (a[1] != SOL_SOCKET)
        return KERNEL(getsockopt, a[0], a[1], a[2], a[3], a[4]);
    u32 *room = (u32 *)a[4], wanted = *room;
    long error = KERNEL(getsockopt, a[0], a[1], a[2], &peer, &size);
    if (error)
        return error;
    peer.uid = shown(peer.uid, container->uid, container->shown_uid);
    peer.gid = shown(peer.gid, container->gid, container->shown_gid);
    if (size > wanted)
        size = wanted;
    memcpy((void *)a[3], &peer, size);
    *room = size;
    return 0;
}

/* The next item of control data that holds credentials, from *at on; NULL at the end. */
static struct credentials *next_credentials(char *control, u64 length, u64 *at)
{
    while (*at + sizeof(struct cmsghdr) <= length) {
        struct cmsghdr *item = (struct cmsghdr *)(control + *at);
        if (item->length < sizeof *item || item->length > length - *at)
            return NULL;
        *at += (item->length + 7) & ~7UL;
        if (item->level == SOL_SOCKET && item->type == SCM_CREDENTIALS && item->length >= sizeof *item + sizeof(struct credentials))
            return (struct credentials *)(item + 1);
    }
    return NULL;
}

/* What the guest says of itself becomes what the kernel takes for true. */
void identity_hide_credentials(void *control, u64 length)
{
    u64 at = 0;
    for (struct credentials *item; control && (item = next_credentials(control, length, &at));) {
        const struct ids *ids = current_ids();
        bool own = item->uid == ids->ruid || item->uid == ids->euid || item->uid == ids->suid || ids->euid == 0;
        if (own) {
            item->uid = container->uid;
            item->gid = container->gid;
        }
    }
}

void identity_show_credentials(void *control, u64 length)
{
    u64 at = 0;
    for (struct credentials *item; control && (item = next_credentials(control, length, &at));) {
        item->uid = shown(item->uid, container->uid, container->shown_uid);
        item->gid = shown(item->gid, container->gid, container->shown_gid);
    }
}
