/* One read per stream and round: 64 KiB are what a pipe holds. Larger pipes would be faster by a little and are not asked for: the kernel
 * allows a user 64 MiB of them in all, and shrinks everybody's when these are used up.
 *
 * Reading a terminal fails as soon as nobody has its other end open, which a service brings about that redirects its streams; if we
 * then closed ours, the kernel would hang up on the service. So the watcher keeps that end open too while the payload runs. */
#include "capture.h"

#include "attach.h"
#include "descriptor.h"
#include "log.h"
#include "message.h"
#include "terminal.h"

#include <errno.h>

static struct {
    int fd;
    enum stream stream;
} sources[] = {{-1, STREAM_OUT}, {-1, STREAM_ERR}};
enum { SOURCES = sizeof sources / sizeof sources[0] };
static int slave = -1; /* of the terminal */

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        fail_errno("cannot make a pipe");
}

int capture_make(struct streams *streams, bool input)
{
    int ends[2];
    int *const taken[] = {&streams->out, &streams->err};
    for (int i = 0; i < SOURCES; i++) {
        make_pipe(ends);
        sources[i].fd = ends[0];
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        *taken[i] = ends[1];
    }
    if (!input)
        return -1;
    make_pipe(ends);
    streams->in = ends[0];
    return ends[1];
}

void capture_close_ends(const struct streams *streams)
{
    const int ends[] = {streams->in, streams->out, streams->err};
    for (int i = 0; i < 3; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
    }
}

void capture_terminal(int master)
{
    fcntl(master, F_SETFL, O_NONBLOCK);
    sources[0].fd = master;
    slave = terminal_slave(master);
}

void capture_payload_ended(void)
{
    close_descriptor(&slave);
    slave = -1;
}

void capture_collect(struct pollset *set)
{
    for (int i = 0; i < SOURCES; i++)
        pollset_add(set, sources[i].fd, POLLIN);
}

void capture_dispatch(const struct pollset *set)
{
    static char bytes[65536 + LOG_SLACK];
    for (int i = 0; i < SOURCES; i++) {
        if (pollset_got(set, sources[i].fd) == 0)
            continue;
        ssize_t length = read(sources[i].fd, bytes, sizeof bytes - LOG_SLACK);
        if (length > 0) {
            log_take(sources[i].stream, bytes, (size_t)length);
            attach_output(sources[i].stream, bytes, (size_t)length);
        } else if (length == 0 || (errno != EAGAIN && errno != EINTR)) { /* a terminal ends with EIO */
            close(sources[i].fd);
            sources[i].fd = -1;
        }
    }
}

bool capture_is_over(void)
{
    return sources[0].fd < 0 && sources[1].fd < 0;
}

void capture_stop(void)
{
    for (int i = 0; i < SOURCES; i++) {
        if (sources[i].fd >= 0)
            close(sources[i].fd);
        sources[i].fd = -1;
    }
}
