/* What the watcher waits for: descriptors and the next moment at which something is due. */
#ifndef POLLSET_H
#define POLLSET_H

#include <poll.h>
#include <stdint.h>
#include <time.h>

enum { MAX_POLLED = 64 };

static const int64_t NEVER = INT64_MAX;

struct pollset {
    struct pollfd fds[MAX_POLLED];
    nfds_t count;
    int64_t due; /* in milliseconds of clock_now */
};

/* Milliseconds of the clock that only runs forward. */
static inline int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void pollset_clear(struct pollset *set)
{
    set->count = 0;
    set->due = NEVER;
}

/* Waits for `events` of `fd` too; nothing happens for -1. */
static inline void pollset_add(struct pollset *set, int fd, short events)
{
    if (fd >= 0 && set->count < MAX_POLLED)
        set->fds[set->count++] = (struct pollfd){.fd = fd, .events = events};
}

static inline void pollset_until(struct pollset *set, int64_t moment)
{
    if (moment < set->due)
        set->due = moment;
}

static inline int pollset_wait(struct pollset *set)
{
    int64_t left = set->due == NEVER ? -1 : set->due - clock_now();
    int timeout = set->due == NEVER ? -1 : left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
    int found = poll(set->fds, set->count, timeout);
    for (nfds_t i = 0; found < 0 && i < set->count; i++)
        set->fds[i].revents = 0;
    return found;
}

/* What has come of it. */
static inline short pollset_got(const struct pollset *set, int fd)
{
    for (nfds_t i = 0; fd >= 0 && i < set->count; i++) {
        if (set->fds[i].fd == fd)
            return set->fds[i].revents;
    }
    return 0;
}

#endif
