#include "sockets.h"

#include "../identity/identity.h"
#include "../kernel/text.h"
#include "../container/container.h"

#define CONTROL_LIMIT 16384

/* Larger than any address: sockaddr_storage. */
union address {
    struct sockaddr_un local;
    char room[128];
};

/* Is the descriptor an AF_UNIX socket (of this type, if one is given)? If not, the kernel says what is wrong, and it is right. */
static bool is_local(u64 fd, i32 type)
{
    i32 value = 0;
    u32 size = sizeof value;
    if (KERNEL(getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &value, &size) || value != AF_UNIX)
        return false;
    return !type || (!KERNEL(getsockopt, fd, SOL_SOCKET, SO_TYPE, &value, &size) && value == type);
}

long call_connect(struct frame *frame)
{
    char path[UNIX_PATH_LIMIT + 1];
    struct sockaddr_un address;
    u64 length = (u32)frame->arg[2];
    if (!socket_path((const struct sockaddr_un *)frame->arg[1], length, path) || !is_local(frame->arg[0], 0))
        return KERNEL(connect, frame->arg[0], frame->arg[1], length);
    long error = socket_target(path, &address, &length);
    return error ? error : KERNEL(connect, frame->arg[0], &address, length);
}

long call_bind(struct frame *frame)
{
    char path[UNIX_PATH_LIMIT + 1];
    struct sockaddr_un address;
    u64 length = (u32)frame->arg[2];
    if (!socket_path((const struct sockaddr_un *)frame->arg[1], length, path) || !is_local(frame->arg[0], 0))
        return KERNEL(bind, frame->arg[0], frame->arg[1], length);
    long error = socket_new_name(path, &address, &length);
    if (!error)
        error = KERNEL(bind, frame->arg[0], &address, length);
    if (!error && has_option(OPTION_SHOWN_IDS)) {
        struct place place;
        if (!find_entry(AT_FDCWD, (u64)path, &place))
            identity_created(&place);
    }
    return error;
}

long call_sendto(struct frame *frame)
{
    const u64 *a = frame->arg;
    char path[UNIX_PATH_LIMIT + 1];
    struct sockaddr_un address;
    u64 length = (u32)a[5];
    if (!socket_path((const struct sockaddr_un *)a[4], length, path) || !is_local(a[0], SOCK_DGRAM))
        return KERNEL(sendto, a[0], a[1], a[2], a[3], a[4], length);
    long error = socket_target(path, &address, &length);
    return error ? error : KERNEL(sendto, a[0], a[1], a[2], a[3], &address, length);
}

/* The engine's descriptors are not the guest's to hand on. */
static bool passes_reserved(const struct msghdr *message)
{
    const char *at = message->control, *end = at + message->control_length;
    if (!at)
        return false;
    while (at + sizeof(struct cmsghdr) <= end) {
        const struct cmsghdr *item = (const struct cmsghdr *)at;
        if (item->length < sizeof *item || item->length > (u64)(end - at))
            return false;
        if (item->level == SOL_SOCKET && item->type == SCM_RIGHTS)
            for (u64 i = sizeof *item; i + sizeof(i32) <= item->length; i += sizeof(i32))
                if (is_reserved(*(const i32 *)(at + i)))
                    return true;
        at += (item->length + 7) & ~7UL;
    }
    return false;
}

static long send_message(u64 fd, const struct msghdr *message, u64 flags)
{
    char path[UNIX_PATH_LIMIT + 1];
    struct sockaddr_un address;
    struct msghdr own = *message;
    u64 length = own.name_length;
    if (passes_reserved(&own))
        return -EBADF;
    if (has_option(OPTION_SHOWN_IDS) && own.control && own.control_length <= CONTROL_LIMIT) {
        own.control = arena_take(own.control_length);
        if (!own.control)
            return -ENOMEM;
        memcpy(own.control, message->control, own.control_length);
        identity_hide_credentials(own.control, own.control_length);
    }
    if (!socket_path(own.name, length, path) || !is_local(fd, SOCK_DGRAM))
        return KERNEL(sendmsg, fd, &own, flags);
    long error = socket_target(path, &address, &length);
    if (error)
        return error;
    own.name = &address;
    own.name_length = (u32)length;
    return KERNEL(sendmsg, fd, &own, flags);
}

long call_sendmsg(struct frame *frame)
{
    return send_message(frame->arg[0], (const struct msghdr *)frame->arg[1], frame->arg[2]);
}

/* One by one if any has a name to translate: the kernel promises no more than "some were sent". */
long call_sendmmsg(struct frame *frame)
{
    struct mmsghdr *messages = (struct mmsghdr *)frame->arg[1];
    u64 count = (u32)frame->arg[2], sent;
    bool translate = false;
    char path[UNIX_PATH_LIMIT + 1];
    if (count > 1024)
        count = 1024;
    for (u64 i = 0; i < count && !translate; i++)
        translate = socket_path(messages[i].header.name, messages[i].header.name_length, path) || passes_reserved(&messages[i].header);
    if (!translate)
        return KERNEL(sendmmsg, frame->arg[0], messages, count, frame->arg[3]);
    for (sent = 0; sent < count; sent++) {
        long result = send_message(frame->arg[0], &messages[sent].header, frame->arg[3]);
        if (result < 0)
            return sent ? (long)sent : result;
        messages[sent].length = (u32)result;
    }
    return (long)sent;
}

/* --- names that come back --- */

/* Copies an address out as the kernel does: as much as there is room for, and its full length. */
static void give_address(union address *address, u64 length, void *to, u64 room)
{
    if (length < room)
        room = length;
    memcpy(to, address, room);
}

/* getsockname, getpeername, accept, accept4: address in argument 1, its length in 2. */
long call_sockname(struct frame *frame)
{
    union address address = {.room = {0}};
    u32 *length = (u32 *)frame->arg[2], own = sizeof address;
    void *to = (void *)frame->arg[1];
    if (!to)
        return kernel_call((long)frame->nr, (long)frame->arg[0], 0, (long)length, (long)frame->arg[3], 0, 0);
    u32 room = *length;
    if ((i32)room < 0)
        return -EINVAL;
    long result = kernel_call((long)frame->nr, (long)frame->arg[0], (long)&address, (long)&own, (long)frame->arg[3], 0, 0);
    if (result < 0)
        return result;
    u64 shown = socket_show(&address.local, own);
    give_address(&address, shown, to, room);
    *length = (u32)shown;
    return result;
}

long call_recvfrom(struct frame *frame)
{
    const u64 *a = frame->arg;
    union address address = {.room = {0}};
    u32 *length = (u32 *)a[5], own = sizeof address;
    if (!length)
        return KERNEL(recvfrom, a[0], a[1], a[2], a[3], a[4], a[5]);
    u32 room = *length;
    if ((i32)room < 0)
        return -EINVAL;
    long result = KERNEL(recvfrom, a[0], a[1], a[2], a[3], &address, &own);
    if (result < 0)
        return result;
    u64 shown = socket_show(&address.local, own);
    give_address(&address, shown, (void *)a[4], room);
    *length = (u32)shown;
    return result;
}

long call_recvmsg(struct frame *frame)
{
    struct msghdr *message = (struct msghdr *)frame->arg[1], own = *message;
    union address address = {.room = {0}};
    if (!own.name) {
        long result = KERNEL(recvmsg, frame->arg[0], message, frame->arg[2]);
        if (result >= 0 && has_option(OPTION_SHOWN_IDS))
            identity_show_credentials(message->control, message->control_length);
        return result;
    }
    u32 room = own.name_length;
    own.name = &address.local;
    own.name_length = sizeof address;
    long result = KERNEL(recvmsg, frame->arg[0], &own, frame->arg[2]);
    if (result < 0)
        return result;
    u64 shown = socket_show(&address.local, own.name_length);
    give_address(&address, shown, message->name, room);
    message->name_length = (u32)shown;
    message->control_length = own.control_length;
    message->flags = own.flags;
    if (has_option(OPTION_SHOWN_IDS))
        identity_show_credentials(message->control, message->control_length);
    return result;
}

/* Names are translated where they lie, if they do not become longer: no program is known that receives many at once by name. */
long call_recvmmsg(struct frame *frame)
{
    struct mmsghdr *messages = (struct mmsghdr *)frame->arg[1];
    const u64 *a = frame->arg;
    long count = KERNEL(recvmmsg, a[0], messages, a[2], a[3], a[4]);
    for (long i = 0; i < count; i++) {
        struct msghdr *message = &messages[i].header;
        union address address = {.room = {0}};
        if (!message->name || message->name_length > sizeof address)
            continue;
        memcpy(&address, message->name, message->name_length);
        u64 shown = socket_show(&address.local, message->name_length);
        if (shown > message->name_length)
            continue;
        memcpy(message->name, &address, shown);
        message->name_length = (u32)shown;
    }
    return count;
}
