/* Theory of operation: what exists is found by one openat2 with RESOLVE_IN_ROOT. Where that call is missing (Linux before 5.6,
 * seccomp filters), or where the answer is that something on the way is missing and we must know what, the path is walked by
 * hand: one component at a time, O_PATH and O_NOFOLLOW, so that no link is ever followed by the kernel. The names walked so far
 * are kept as text without links; `..` cuts the last one off and opens the rest again from the root. That is slower than to keep
 * descriptors, and has no case in which a rename or a bind could lead `..` past the root. */
#include "resolve.h"

#include "descriptor.h"
#include "kernel.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { MAX_LINKS = 40, PROC_MAGIC = 0x9fa0 };

struct walk {
    int root;
    int fd;                     /* where we are */
    int links;                  /* followed so far */
    char done[MAX_PATH];        /* where we are, as text */
    char ahead[2 * MAX_PATH];   /* what is still to be walked */
};

static int refuse(int error)
{
    errno = error;
    return -1;
}

static int move_to(struct walk *walk, int fd)
{
    if (fd < 0)
        return -1;
    close(walk->fd);
    walk->fd = fd;
    return 0;
}

int resolve_again(int root, const char *path)
{
    int fd = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && *path != '\0') {
        char name[NAME_MAX + 1];
        size_t length = strcspn(path, "/");
        if (length > NAME_MAX) {
            close(fd);
            return refuse(ENAMETOOLONG);
        }
        memcpy(name, path, length);
        name[length] = '\0';
        int next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        close(fd);
        fd = next;
        path += length;
        path += *path == '/';
    }
    return fd;
}

static int go_up(struct walk *walk)
{
    char *slash = strrchr(walk->done, '/');
    *(slash == NULL ? walk->done : slash) = '\0';
    return move_to(walk, resolve_again(walk->root, walk->done));
}

static int go_down(struct walk *walk, const char *name, int fd)
{
    size_t length = strlen(walk->done);
    if (length + strlen(name) + 2 > sizeof walk->done) {
        close(fd);
        return refuse(ENAMETOOLONG);
    }
    if (length > 0)
        walk->done[length++] = '/';
    strcpy(walk->done + length, name);
    return move_to(walk, fd);
}

/* Magic links of /proc (cwd, root, exe, fd/N, ns/N) lead out of any root. The ordinary ones there are texts like `self/mounts`
 * or a number; the text of a magic one is an absolute path or `type:[N]`. */
static bool is_magic(int link, const char *text)
{
    struct statfs fs;
    if (fstatfs(link, &fs) != 0 || fs.f_type != PROC_MAGIC)
        return false;
    return !isdigit((unsigned char)*text) && strncmp(text, "self/", 5) != 0 && strncmp(text, "thread-self/", 12) != 0;
}

static int follow_link(struct walk *walk, int link)
{
    char text[MAX_PATH];
    ssize_t length = readlinkat(link, "", text, sizeof text - 1);
    if (length < 0)
        return -1;
    text[length] = '\0';
    if (++walk->links > MAX_LINKS || is_magic(link, text))
        return refuse(ELOOP);
    size_t ahead = strlen(walk->ahead);
    if ((size_t)length + ahead + 2 > sizeof walk->ahead)
        return refuse(ENAMETOOLONG);
    memmove(walk->ahead + length + 1, walk->ahead, ahead + 1);
    memcpy(walk->ahead, text, (size_t)length);
    walk->ahead[length] = '/';
    if (text[0] == '/') {
        walk->done[0] = '\0';
        return move_to(walk, resolve_again(walk->root, ""));
    }
    return 0;
}

/* The next name of what is ahead, which moves behind it; false at the end. */
static bool take_name(char *ahead, char *name)
{
    char *from = ahead + strspn(ahead, "/");
    size_t length = strcspn(from, "/");
    if (length == 0)
        return false;
    if (length > NAME_MAX)
        length = NAME_MAX + 1; /* too long: the kernel says so */
    memcpy(name, from, length);
    name[length] = '\0';
    from += length;
    memmove(ahead, from, strlen(from) + 1);
    return true;
}

/* The names from `name` on do not exist: keep them. A `..` among them would leave a directory that is not there. */
static int keep_rest(struct walk *walk, const char *name, struct place *place)
{
    char next[NAME_MAX + 2];
    size_t length = strlen(name);
    strcpy(place->rest, name);
    while (take_name(walk->ahead, next)) {
        if (strcmp(next, "..") == 0)
            return refuse(ENOENT);
        if (strcmp(next, ".") == 0)
            continue;
        if (length + strlen(next) + 2 > sizeof place->rest || strlen(next) > NAME_MAX)
            return refuse(ENAMETOOLONG);
        place->rest[length] = '/';
        strcpy(place->rest + length + 1, next);
        length = strlen(place->rest);
    }
    place->exists = false;
    strcpy(place->path, walk->done);
    return 0;
}

static bool at_end(const char *ahead)
{
    return ahead[strspn(ahead, "/")] == '\0';
}

static int walk_on(struct walk *walk, bool follow, struct place *place)
{
    char name[NAME_MAX + 2];
    while (take_name(walk->ahead, name)) {
        struct stat st;
        bool up = strcmp(name, "..") == 0;
        if (up || strcmp(name, ".") == 0) {
            if (fstat(walk->fd, &st) == 0 && !S_ISDIR(st.st_mode))
                return refuse(ENOTDIR);
            if (up && go_up(walk) != 0)
                return -1;
            continue;
        }
        int next = openat(walk->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return errno == ENOENT ? keep_rest(walk, name, place) : -1;
        if (fstat(next, &st) == 0 && S_ISLNK(st.st_mode) && (follow || !at_end(walk->ahead))) {
            int result = follow_link(walk, next);
            close(next);
            if (result != 0)
                return -1;
        } else if (go_down(walk, name, next) != 0) {
            return -1;
        }
    }
    place->exists = true;
    place->path[0] = place->rest[0] = '\0';
    return 0;
}

static int walk_by_hand(int root, const char *path, bool follow, struct place *place)
{
    struct walk walk = {.root = root, .fd = resolve_again(root, "")};
    if (walk.fd < 0)
        return -1;
    strcpy(walk.ahead, path);
    if (walk_on(&walk, follow, place) != 0) {
        int error = errno;
        close(walk.fd);
        return refuse(error);
    }
    place->fd = walk.fd;
    return 0;
}

int resolve(int root, const char *path, bool follow, struct place *place)
{
    if (strlen(path) >= MAX_PATH)
        return refuse(ENAMETOOLONG);
    /* A trailing slash asks for a directory; what a target is, is the caller's question. */
    char trimmed[MAX_PATH];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    memcpy(trimmed, path, length);
    trimmed[length] = '\0';

    int fd = kernel_open_in_root(root, trimmed, O_PATH | (follow ? 0 : O_NOFOLLOW));
    if (fd >= 0) {
        place->fd = fd;
        place->exists = true;
        place->path[0] = place->rest[0] = '\0';
        return 0;
    }
    if (errno != ENOENT && errno != ENOSYS)
        return -1;
    return walk_by_hand(root, trimmed, follow, place);
}
