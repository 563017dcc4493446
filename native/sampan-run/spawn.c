/* Theory of operation. There are three ways from the watcher to the payload:
 *
 *   own pid namespace     clone() makes the child process 1 in it, born in the new user namespace too; that sets everything up, forks
 *                         the payload and becomes its init
 *   joined pid namespace  a child joins it, which has an effect on its own children only; it makes the payload with CLONE_PARENT, so
 *                         that the watcher is its parent, and ends
 *   none                  the child becomes the payload
 *
 * Everywhere the payload waits for WORD_GO before it runs: by then the watcher has written down who it is. What goes wrong is said on
 * the caller's stderr and, without the front, through a pipe that execve closes: so the watcher knows when the payload has been
 * executed. The tie to the watcher (PDEATHSIG) is made after the last change of credentials, which would undo it; getppid() does not
 * show in a pid namespace whether the watcher has died before, the channel does. */
#include "spawn.h"

#include "cgroup.h"
#include "channel.h"
#include "check.h"
#include "descriptor.h"
#include "environment.h"
#include "init.h"
#include "message.h"
#include "namespaces.h"
#include "signals.h"
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Of the child. */
static struct streams streams;
static int channel, words, machines_master = -1;
static bool has_init;
static int held = -1; /* closes for the payload of an init when that is ready for it */

/* fork() into new namespaces. */
static pid_t clone_into(unsigned long flags)
{
#ifdef __s390x__
    return (pid_t)syscall(SYS_clone, 0, flags | SIGCHLD, 0, 0, 0);
#else
    return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
#endif
}

/* The last words of a failed start. */
static void tell(int status, const char *text)
{
    (void)status;
    if (write(words, text, strlen(text)) < 0)
        return; /* the watcher is gone */
}

static void die_with_watcher(void)
{
    struct pollfd end = {.fd = channel};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        fail_errno("cannot tie the payload to its watcher");
    if (poll(&end, 1, 0) > 0 && (end.revents & POLLHUP))
        _exit(EXIT_FAILED);
}

static void wait_for_go(void)
{
    struct message message;
    if (!channel_receive(channel, &message) || message.word != WORD_GO)
        _exit(EXIT_FAILED); /* the watcher is gone */
}

static void take_terminal(void)
{
    int master = terminal_open();
    master = master >= 0 ? master : machines_master;
    int slave = master < 0 ? -1 : terminal_slave(master);
    if (slave < 0)
        fail_errno("cannot open a new terminal");
    terminal_resize(master, 24, 80);
    if (!channel_send(channel, WORD_MASTER, 0, master) || terminal_become(slave) != 0)
        fail_errno("cannot use the new terminal");
}

static void take_streams(void)
{
    const int taken[] = {streams.in, streams.out, streams.err};
    if (streams.session)
        setsid();
    if (streams.terminal) {
        take_terminal();
        return;
    }
    for (int stream = 0; stream <= STDERR_FILENO; stream++) {
        if (taken[stream] >= 0 && dup2(taken[stream], stream) < 0)
            fail_errno("cannot give the payload its streams");
    }
}

/* A launcher keeps the pipe until it executes the payload, and says there what it has to say; so do we from now on, and the watcher
 * passes it on. */
static void give_pipe_to_launcher(struct start *start)
{
    static char variable[32];
    snprintf(variable, sizeof variable, "SAMPAN_READY=%d", words);
    start->environment = environment_with(start->environment, variable);
    fcntl(words, F_SETFD, 0);
    message_output(-1);
}

static void before_it_runs(void)
{
    static const char executed = EXECUTED;
    char none;
    take_streams();
    if (!has_init) {
        die_with_watcher();
        wait_for_go();
    }
    while (has_init && read(held, &none, 1) < 0 && errno == EINTR) {
    }
    signals_restore();
    if (write(words, &executed, 1) != 1)
        _exit(EXIT_FAILED);
}

static _Noreturn void run_under_init(const struct start *start)
{
    int ends[2];
    die_with_watcher();
    if (pipe2(ends, O_CLOEXEC) != 0)
        fail_errno("cannot make a pipe");
    held = ends[0];
    pid_t payload = fork();
    if (payload < 0)
        fail_errno("cannot start a process");
    if (payload == 0) {
        close(ends[1]);
        payload_run(start, start->words, 0, before_it_runs);
    }
    wait_for_go();
    init_run(payload, channel); /* closes the pipe too */
}

static _Noreturn void run_beside(const struct start *start)
{
    pid_t payload = clone_into(CLONE_PARENT);
    if (payload < 0)
        fail_errno("cannot start a process in the container");
    if (payload == 0)
        payload_run(start, start->words, 0, before_it_runs);
    channel_send(channel, WORD_PAYLOAD, payload, -1);
    _exit(0);
}

static _Noreturn void be_child(struct start *start, const struct mapper *mapper, int made)
{
    message_last(tell);
    if (streams.out >= 0 || streams.terminal) {
        int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        message_output(kept);
    }
    if (launch_has_launcher(start->launch))
        give_pipe_to_launcher(start);
    cgroup_join(start);
    if (streams.terminal)
        machines_master = terminal_open();
    payload_prepare(start, mapper, made);
    if (has_init)
        run_under_init(start);
    if (mapper->socket >= 0)
        mapper_reap(mapper);
    if (launch_has_namespace(start->launch, "pid"))
        run_beside(start);
    payload_run(start, start->words, 0, before_it_runs);
}

struct child spawn(struct start *start, const struct streams *given)
{
    struct child child = {.pid = 0};
    int ends[2], pipe_ends[2];
    const struct launch *launch = start->launch;
    bool enters = record_of(launch, ENTER) != NULL;
    int made = enters ? 0 : namespaces_flags(launch) & CLONE_NEWPID;
    made |= made == 0 ? 0 : namespaces_flags(launch) & CLONE_NEWUSER; /* which gives the right to make the other */
    struct mapper mapper = {.socket = -1};
    if (made != 0)
        mapper = mapper_start(launch, start_base(start));
    channel_make(ends);
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        fail_errno("cannot make a pipe");
    pid_t pid = made == 0 ? fork() : clone_into((unsigned long)made);
    if (pid < 0 && made == 0)
        fail_errno("cannot start a process");
    if (pid < 0)
        namespaces_refused("new namespaces", errno);
    if (pid == 0) {
        close(ends[0]);
        close(pipe_ends[0]);
        streams = *given;
        channel = ends[1];
        words = pipe_ends[1];
        has_init = made != 0;
        if (made == 0 && !enters)
            mapper = mapper_start(launch, start_base(start));
        be_child(start, &mapper, made);
    }
    close(ends[1]);
    close(pipe_ends[1]);
    if (made != 0) {
        mapper_ask(&mapper, pid);
        mapper_reap(&mapper);
    }
    *(launch_has_namespace(launch, "pid") && enters ? &child.setup : &child.pid) = pid;
    child.channel = ends[0];
    child.words = pipe_ends[0];
    fcntl(child.channel, F_SETFL, O_NONBLOCK);
    fcntl(child.words, F_SETFL, O_NONBLOCK);
    return child;
}
