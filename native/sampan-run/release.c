/* A watcher that kept the caller's pipes open would keep their readers waiting for what only the payload writes. */
#include "release.h"

#include "descriptor.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>

void streams_fill(void)
{
    for (int stream = 0; stream <= STDERR_FILENO; stream++) {
        /* open() takes the lowest number that is free. */
        if (fcntl(stream, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
            return;
    }
}

void streams_silence(int first, int last)
{
    CLOSING int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int stream = first; null >= 0 && stream <= last; stream++)
        dup3(null, stream, O_CLOEXEC);
}

static void close_callers(int fd, int kept)
{
    int flags = fd > STDERR_FILENO && fd != kept ? fcntl(fd, F_GETFD) : -1;
    if (flags >= 0 && !(flags & FD_CLOEXEC))
        close(fd);
}

void descriptors_close_callers(int kept)
{
    DIR *stream = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL)
        close_callers((int)strtol(entry->d_name, NULL, 10), kept);
    for (int fd = 0; stream == NULL && fd < 4096; fd++)
        close_callers(fd, kept);
    if (stream != NULL)
        closedir(stream);
}
