/* All signals are blocked and waited for, so none is lost and no handler is needed. The init keeps nothing open but the channel, and
 * leaves the payload's process group, which signals of the terminal are for.
 *
 * It stays dumpable, with all rights of the user namespace: so it is what others join (`enter`), and what a payload that is not root
 * inside cannot look into. One that is root inside owns the namespace anyway; all it finds here is the launcher's own program. */
#include "init.h"

#include "channel.h"
#include "descriptor.h"
#include "kernel.h"
#include "message.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* Everything that has ended or stopped; ends the program with the payload. */
static void bury(pid_t payload, int channel)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (pid != payload)
            continue;
        if (WIFSTOPPED(status)) {
            channel_send(channel, WORD_STOPPED, WSTOPSIG(status), -1);
            continue;
        }
        channel_send(channel, WORD_ENDED, status, -1);
        _exit(0);
    }
}

_Noreturn void init_run(pid_t payload, int channel)
{
    sigset_t all;
    siginfo_t info;
    sigfillset(&all);
    setpgid(0, 0);
    if (dup2(channel, 0) == 0 && kernel_close_range(1, ~0U) == 0) {
        fcntl(0, F_SETFD, FD_CLOEXEC);
        channel = 0;
    } else {
        for (int fd = 0; fd < 4096; fd++) {
            if (fd != channel)
                close(fd);
        }
    }
    bury(payload, channel);
    for (;;) {
        int number = sigwaitinfo(&all, &info);
        if (number == SIGCHLD)
            bury(payload, channel);
        else if (number > 0)
            kill(payload, number);
    }
}
