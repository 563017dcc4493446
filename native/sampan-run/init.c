/* All signals are blocked and waited for, so none is lost and no handler is needed. The init keeps nothing open but the channel, and
 * leaves the payload's process group, which signals of the terminal are for. It goes into a session of its own: if it stayed in the
 * caller's, the end of the payload could be the end of the last tie between two groups of that session, and then the kernel would hang up
 * the caller's whole group if one of its processes happened to be stopped.
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
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static char **program_words;

void init_words(char **words)
{
    program_words = words;
}

/* What `ps` shows. */
static void rename_process(void)
{
    static const char NAME[] = "init";
    prctl(PR_SET_NAME, NAME);
    for (char **word = program_words; word != NULL && *word != NULL; word++) {
        size_t length = strlen(*word);
        memset(*word, 0, length);
        if (word == program_words)
            memcpy(*word, NAME, length < sizeof NAME ? length : sizeof NAME);
    }
}

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
    setsid();
    rename_process();
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
