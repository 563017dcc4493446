/* Theory of operation: all sockets are non-blocking. Output goes into a ring for each client, so a slow one costs the others and the
 * payload a copy and no time. A frame that does not fit is the last but one: RESERVE bytes are kept for the frame that says why. Input is read a
 * frame at a time; while the payload does not take it, nothing more is read from this client. Only one client at a time is in the
 * middle of a frame, so frames of several are not mixed. */
#include "attach.h"

#include "descriptor.h"
#include "frame.h"
#include "message.h"
#include "records.h"
#include "terminal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

enum {
    CLIENTS = 8,
    WAITING = 64, /* connections that are not looked at yet; a client that does not want to wait is refused beyond that */
    RING = 1 << 19,
    RESERVE = 16384,
    PATIENCE = 10000, /* milliseconds that a client that was given up has for the rest */
    LAST_PATIENCE = 1000,
};

struct client {
    int fd; /* -1: nobody */
    bool leaving;      /* it is only told the rest */
    bool deaf;         /* nothing can be sent to it; what it has sent is still taken */
    bool gone;         /* it has closed its end, and everything it sent has been read */
    int64_t until;     /* when it is leaving */
    size_t first, used; /* of the ring */
    size_t got;        /* bytes of `in` */
    size_t written;    /* of the stdin frame at its front */
    unsigned char in[FRAME_HEADER + FRAME_LONGEST];
    char out[RING];
};

static struct client clients[CLIENTS];
static struct client *writing; /* whose frame is only half with the payload */
static int listening = -1, input = -1;
static bool any, to_terminal, takes_input;
static char path[MAX_SOCKET_PATH + 1];

static void forget(struct client *client)
{
    close(client->fd);
    if (writing == client)
        writing = NULL;
    /* The rings are large, and the watcher is to be small. */
    uintptr_t page = 4096, begin = ((uintptr_t)client->out + page - 1) & ~(page - 1), end = ((uintptr_t)client->out + RING) & ~(page - 1);
    madvise((void *)begin, end - begin, MADV_DONTNEED);
    client->fd = -1;
}

/* Sends what it takes. */
static void send_some(struct client *client)
{
    while (client->used > 0) {
        size_t front = RING - client->first < client->used ? RING - client->first : client->used;
        struct iovec parts[2] = {{client->out + client->first, front}, {client->out, client->used - front}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return;
        client->deaf |= sent < 0;
        client->first = client->deaf ? 0 : (client->first + (size_t)sent) % RING;
        client->used = client->deaf ? 0 : client->used - (size_t)sent;
    }
    if (client->leaving)
        forget(client);
}

static void put(struct client *client, const void *bytes, size_t length)
{
    size_t at = (client->first + client->used) % RING, front = RING - at < length ? RING - at : length;
    memcpy(client->out + at, bytes, front);
    memcpy(client->out, (const char *)bytes + front, length - front);
    client->used += length;
}

static bool put_frame(struct client *client, enum frame_kind kind, const void *content, size_t length, size_t reserve)
{
    unsigned char head[FRAME_HEADER];
    if (client->deaf)
        return true;
    if (RING - client->used < FRAME_HEADER + length + reserve)
        return false;
    frame_head(head, kind, length);
    put(client, head, FRAME_HEADER);
    put(client, content, length);
    return true;
}

static void leave(struct client *client, enum frame_kind kind, const char *content, size_t length, int64_t patience)
{
    put_frame(client, kind, content, length < RESERVE - FRAME_HEADER ? length : RESERVE - FRAME_HEADER, 0);
    client->leaving = true;
    client->until = clock_now() + patience;
    send_some(client);
}

static void send_away(struct client *client, const char *why)
{
    leave(client, FRAME_GONE, why, strlen(why), PATIENCE);
}

void attach_listen(const char *at)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    any = true;
    snprintf(path, sizeof path, "%s", at);
    memcpy(address.sun_path, path, sizeof path);
    unlink(path);
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    int bound = listening < 0 ? -1 : bind(listening, (struct sockaddr *)&address, sizeof address);
    umask(before);
    if (bound != 0 || listen(listening, WAITING) != 0)
        fail_errno("cannot listen at %s", path);
}

void attach_input(int fd, bool terminal)
{
    input = fd;
    to_terminal = terminal;
    takes_input = fd >= 0;
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void close_input(void)
{
    if (input >= 0)
        close(input);
    input = -1;
}

/* Writes the rest of a frame to the payload; false if that takes no more now. */
static bool feed(struct client *client, const struct frame *frame)
{
    while (client->written < frame->length && input >= 0) {
        ssize_t wrote = write(input, frame->content + client->written, frame->length - client->written);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno == EAGAIN) {
            writing = client;
            return false;
        }
        if (wrote < 0)
            close_input(); /* the payload has closed it */
        else
            client->written += (size_t)wrote;
    }
    client->written = 0;
    writing = NULL;
    return true;
}

/* All frames that are whole and that the payload takes. */
static void take_frames(struct client *client)
{
    struct frame frame;
    while (client->fd >= 0 && !client->leaving && (writing == NULL || writing == client)) {
        enum frame_found found = frame_read(client->in, client->got, &frame);
        if (found == FRAME_WRONG)
            send_away(client, "what it sent is no frame of the attach protocol");
        if (found == FRAME_CUT && client->gone)
            forget(client);
        if (found != FRAME_WHOLE)
            return;
        if (frame.kind == FRAME_STDIN && frame.length == 0 && !to_terminal)
            close_input();
        else if (frame.kind == FRAME_STDIN && !feed(client, &frame))
            return;
        else if (frame.kind == FRAME_RESIZE && to_terminal)
            terminal_resize(input, (unsigned)frame.content[0] << 8 | frame.content[1], (unsigned)frame.content[2] << 8 | frame.content[3]);
        if (frame.kind == FRAME_DETACH) {
            leave(client, FRAME_GONE, "detached", 8, PATIENCE);
            return;
        }
        client->got -= FRAME_HEADER + frame.length;
        memmove(client->in, client->in + FRAME_HEADER + frame.length, client->got);
    }
}

/* Is there room for what it sends? Not while somebody's frame waits for the payload. */
static bool can_send(const struct client *client)
{
    return !client->gone && client->got < sizeof client->in && (writing == NULL || client->leaving);
}

static void receive(struct client *client)
{
    ssize_t length = recv(client->fd, client->in + client->got, sizeof client->in - client->got, MSG_DONTWAIT);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        client->gone = true;
    if (client->gone && client->leaving)
        forget(client);
    if (length > 0 && !client->leaving)
        client->got += (size_t)length;
    take_frames(client);
}

static void greet(struct client *client)
{
    char text[96];
    int length = snprintf(text, sizeof text, "{\"format\":1,\"terminal\":%s,\"stdin\":%s}\n", to_terminal ? "true" : "false",
                          takes_input ? "true" : "false");
    put_frame(client, FRAME_HELLO, text, (size_t)length, 0);
    send_some(client);
}

static void turn_away(int fd, const char *why)
{
    unsigned char text[FRAME_HEADER + 128];
    frame_head(text, FRAME_GONE, strlen(why));
    memcpy(text + FRAME_HEADER, why, strlen(why));
    send(fd, text, FRAME_HEADER + strlen(why), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static void welcome(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || (peer.uid != geteuid() && peer.uid != 0)) {
        turn_away(fd, "this container belongs to another user");
        return;
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].fd >= 0)
            continue;
        struct client *client = &clients[i];
        client->fd = fd;
        client->leaving = client->deaf = client->gone = false;
        client->first = client->used = client->got = client->written = 0;
        greet(client);
        return;
    }
    turn_away(fd, "8 clients are attached already, and there is no place for more");
}

void attach_output(enum stream stream, const char *bytes, size_t length)
{
    enum frame_kind kind = stream == STREAM_OUT ? FRAME_STDOUT : FRAME_STDERR;
    for (int i = 0; any && i < CLIENTS; i++) {
        struct client *client = &clients[i];
        if (client->fd < 0 || client->leaving || client->gone)
            continue;
        if (!put_frame(client, kind, bytes, length, RESERVE))
            send_away(client, "it is too slow for what the payload writes; the log has everything");
        else
            send_some(client);
    }
}

void attach_collect(struct pollset *set)
{
    pollset_add(set, listening, POLLIN);
    pollset_add(set, writing != NULL ? input : -1, POLLOUT);
    for (int i = 0; any && i < CLIENTS; i++) {
        const struct client *client = &clients[i];
        short events = (short)((can_send(client) ? POLLIN : 0) | (client->used > 0 ? POLLOUT : 0));
        if (client->fd < 0)
            continue;
        if (events != 0) /* a hang-up alone would wake us again and again */
            pollset_add(set, client->fd, events);
        if (client->leaving)
            pollset_until(set, client->until);
    }
}

void attach_dispatch(const struct pollset *set)
{
    if (writing != NULL && pollset_got(set, input) != 0)
        take_frames(writing);
    for (int i = 0; any && i < CLIENTS; i++) {
        struct client *client = &clients[i];
        short got = pollset_got(set, client->fd);
        if (client->fd >= 0 && (got & POLLOUT))
            send_some(client);
        if (client->fd >= 0 && can_send(client) && (got & (POLLIN | POLLHUP | POLLERR)))
            receive(client);
        else if (client->fd >= 0 && (client->got > 0 || client->gone))
            take_frames(client);
        if (client->fd >= 0 && client->leaving && clock_now() >= client->until)
            forget(client);
    }
    while (pollset_got(set, listening) & POLLIN) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            break;
        welcome(fd);
    }
}

void attach_close(void)
{
    if (listening >= 0) {
        unlink(path);
        close(listening);
    }
    listening = -1;
    close_input();
    writing = NULL;
}

void attach_end(const char *exit, size_t length)
{
    for (int i = 0; any && i < CLIENTS; i++) {
        struct client *client = &clients[i];
        if (client->fd >= 0 && client->gone)
            forget(client);
        if (client->fd >= 0 && client->leaving && client->until > clock_now() + LAST_PATIENCE)
            client->until = clock_now() + LAST_PATIENCE;
        if (client->fd >= 0 && !client->leaving)
            leave(client, FRAME_EXIT, exit, length, LAST_PATIENCE);
    }
}

bool attach_has_clients(void)
{
    bool has = false;
    for (int i = 0; any && i < CLIENTS; i++)
        has |= clients[i].fd >= 0;
    return has;
}
