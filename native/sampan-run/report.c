/* The process in front writes nothing: what there is to say has been said on the same stderr. */
#include "report.h"

#include "check.h"
#include "descriptor.h"
#include "message.h"

#include <stdlib.h>
#include <string.h>

static int ready = -1, front = -1;

/* A watcher outside, which started what started this one, speaks for both until the payload runs. */
static void keep_launchers(void)
{
    const char *text = getenv("SAMPAN_READY");
    int fd = text == NULL ? -1 : (int)field_number(text, 10);
    if (fd <= STDERR_FILENO || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return;
    ready = fd;
    message_output(-1);
}

void report_keep(const struct launch *launch)
{
    const struct record *record = record_of(launch, READY);
    if (launch_on_host_as(launch, "inside"))
        keep_launchers();
    if (record == NULL)
        return;
    ready = (int)field_number(field(record, 0), 10);
    if (fcntl(ready, F_SETFD, FD_CLOEXEC) != 0)
        fail("\"ready\" names the descriptor %d, which is not open", ready);
}

static _Noreturn void wait_in_front(int from)
{
    unsigned char status;
    message_last(NULL);
    if (read(from, &status, 1) != 1)
        fail("its watcher ended before the payload ran");
    exit(status);
}

void report_detach(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        fail_errno("cannot make a pipe");
    pid_t watcher = fork();
    if (watcher < 0)
        fail_errno("cannot start the watcher");
    close(ends[watcher > 0]);
    if (watcher > 0) {
        if (ready >= 0)
            close(ready);
        wait_in_front(ends[0]);
    }
    front = ends[1];
    setsid();
}

int report_front(void)
{
    return front;
}

static void tell(int fd, const char *text, size_t length)
{
    if (fd >= 0 && write(fd, text, length) < 0)
        return; /* whoever wanted to know is gone */
}

static void hang_up(void)
{
    if (ready >= 0)
        close(ready);
    if (front >= 0)
        close(front);
    ready = front = -1;
}

void report_started(void)
{
    message_output(STDERR_FILENO);
    tell(ready, "ok\n", 3);
    tell(front, "", 1);
    hang_up();
}

void report_failed(int status, const char *text)
{
    char byte = (char)status;
    tell(ready, text, strlen(text));
    tell(front, &byte, 1);
    hang_up();
}
