/* A terminal is best opened inside: then its name is right there. Where the devpts inside cannot be reached (no /dev, or one that an
 * image brought), the machine's serves. */
#include "terminal.h"

#include "descriptor.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

int terminal_open(void)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), unlocked = 0;
    unsigned number;
    /* An image may have anything at this name. */
    if (master >= 0 && (ioctl(master, TIOCGPTN, &number) != 0 || ioctl(master, TIOCSPTLCK, &unlocked) != 0)) {
        close(master);
        return -1;
    }
    return master;
}

int terminal_slave(int master)
{
    char path[32];
    unsigned number;
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave >= 0 || ioctl(master, TIOCGPTN, &number) != 0)
        return slave;
    snprintf(path, sizeof path, "/dev/pts/%u", number); /* Linux before 4.13 */
    return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

int terminal_become(int slave)
{
    if (ioctl(slave, TIOCSCTTY, 0) != 0)
        return -1;
    for (int stream = 0; stream <= STDERR_FILENO; stream++) {
        if (dup2(slave, stream) < 0)
            return -1;
    }
    return 0;
}

void terminal_resize(int master, unsigned rows, unsigned columns)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    ioctl(master, TIOCSWINSZ, &size);
}

bool terminal_is_ours(void)
{
    CLOSING int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    return terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
}

void terminal_take_back(void)
{
    CLOSING int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    pid_t group = terminal < 0 ? -1 : tcgetpgrp(terminal);
    if (group > 0 && group != getpgrp() && kill(-group, 0) != 0 && errno == ESRCH)
        tcsetpgrp(terminal, getpgrp());
}
