/* Theory of operation: the watcher blocks every signal and reads them from a descriptor, with their origin. Dispositions stay those of
 * the caller, which the payload inherits; but for SIGCHLD, since children of a process that ignores it leave no status. A blocked
 * signal is kept even if it is ignored: so the watcher of a `nohup` payload passes a hang-up on, and the payload ignores it.
 *
 * The payload is in the watcher's process group, and gets Ctrl-C, Ctrl-Z and hang-ups itself; these come from the kernel (si_code
 * above 0). What somebody sends comes with si_code 0 or below and the sender's pid. If that is the payload, or a process below it,
 * then it has signalled its whole group (`kill 0`, an editor that stops itself) and needs no echo.
 *
 * The kernel does not translate the pid of a sender in a pid namespace below ours: it is the number that the sender has there. So a
 * sender of whom nothing is seen here is looked for inside. If it is not there either, it has ended (`kill` is short-lived), and the
 * signal is passed on; but for those that stop, since an editor that stops itself would be stopped again when it goes on. */
#include "signals.h"

#include "family.h"
#include "message.h"

#include <unistd.h>

static sigset_t callers_mask;
static struct sigaction callers_child;

void signals_block(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &callers_mask) != 0 || sigaction(SIGCHLD, &usual, &callers_child) != 0)
        fail_errno("cannot set the signals of the watcher");
}

void signals_restore(void)
{
    if (sigaction(SIGCHLD, &callers_child, NULL) != 0 || sigprocmask(SIG_SETMASK, &callers_mask, NULL) != 0)
        fail_errno("cannot give the payload its signals");
}

int signals_open(void)
{
    sigset_t all;
    sigfillset(&all);
    int fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        fail_errno("cannot make a descriptor for signals");
    return fd;
}

static bool is_stop(int number)
{
    return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

bool signal_is_for_payload(const struct signalfd_siginfo *info, bool has_init)
{
    int number = (int)info->ssi_signo;
    pid_t sender = (pid_t)info->ssi_pid;
    if (info->ssi_code > 0 || number == SIGCHLD)
        return false;
    if (sender == 0 || family_is_of_user(sender, info->ssi_uid)) {
        while (sender > 1 && sender != getpid())
            sender = family_parent(sender);
        return sender != getpid();
    }
    return !has_init || !(is_stop(number) || family_has_inner(sender));
}

bool signal_ends_start(int number)
{
    struct sigaction action;
    bool ends = number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM;
    return ends && sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN;
}

void signals_stop(int number)
{
    struct sigaction action;
    sigset_t one;
    /* The same signal, so that a shell says the same; unless it would not stop us. */
    if (number == SIGSTOP || sigaction(number, NULL, &action) != 0 || action.sa_handler != SIG_DFL) {
        kill(getpid(), SIGSTOP);
        return;
    }
    /* One that waits already, from the terminal, would stop us twice. */
    const struct timespec now = {0, 0};
    sigemptyset(&one);
    sigaddset(&one, number);
    while (sigtimedwait(&one, NULL, &now) == number) {
    }
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    kill(getpid(), number);
    sigprocmask(SIG_BLOCK, &one, NULL);
}
