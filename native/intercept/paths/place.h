/* From a path of the guest to a place the kernel can work on: a directory's descriptor and one name in it.
 *
 * Theory of operation. Everything up to the last component is resolved to a directory, in this order:
 *   1. the cache knows the text;
 *   2. the text has only plain names and crosses no bind in an unknown way: one openat2 that follows no link and does not leave its start is
 *      exact, whether it succeeds or says ENOENT; ELOOP and EXDEV mean that a link was met;
 *   3. component by component (canonical.c), as the kernel does it, but with the guest's root and binds. The result is opened as in 2, so
 *      a link that somebody puts in the way meanwhile leads nowhere.
 * The last component is then given to the kernel as it is, with "do not follow": for one plain name relative to a directory the
 * kernel's answer is exact. If the name is a link and must be followed, its text is joined to where it stands, and all begins
 * again (links.c). Links of procfs have no text of that kind and are treated in proc.c. */
#ifndef SAMPAN_PLACE_H
#define SAMPAN_PLACE_H

#include "binds.h"

struct place {
    int fd;                 /* directory; AT_FDCWD with an absolute host path as name for a bound file */
    int bind;               /* index, or -1: not known (relative to a descriptor of the guest) */
    const char *name;
    bool must_be_directory; /* slashes stood behind the name */
    bool creating;          /* a link to a name with slashes behind it is an error */
    bool bind_point;        /* it is the target of a bind */
    bool magic;             /* a link that only the kernel can follow, and shall */
    /* where it came from, to follow a link: `base` bytes of `path` name the directory */
    u32 held;               /* what the thread held before */
    int from;
    char *path;
    size_t base;
};

/* The guest's text, normalised (`//` and `/./` collapsed), in scratch memory; NULL: error in *error (EFAULT, ENAMETOOLONG). */
char *take_path(u64 pointer, long *error);

/* For operations on the entry itself (mkdir, unlink, rename, ...): the last component is not looked at and keeps its slashes. */
long find_entry(int from, u64 pointer, struct place *place);
/* For operations on what the path names. Without `follow` a last link is the object itself, unless slashes stand behind it. */
long find_object(int from, u64 pointer, bool follow, struct place *place);
/* The same without looking whether the last component is a link: the caller tries its operation with "do not follow" and calls place_follow
 * if it meets a link. Saves a call where it matters. */
long find_unfollowed(int from, u64 pointer, struct place *place);
long find_text(int from, char *path, struct place *place);
/* The place is a link (or may be): follow until it is none. */
long place_follow(struct place *place);

/* AT_SYMLINK_NOFOLLOW unless the kernel is to follow. */
static inline int place_flags(const struct place *place)
{
    return place->magic ? 0 : AT_SYMLINK_NOFOLLOW;
}

/* Whether the place's directory is one, and may be passed: what the kernel says before it says anything else of the place. */
long place_fault(const struct place *place);
/* The bind that the place lies in, looked up if need be; NULL: outside of the container. */
const struct bind *place_bind(struct place *place);
/* -EROFS if the place must not be written to, else 0. */
long place_writable(struct place *place);
/* An O_PATH descriptor of the object, held until the end of the call. */
long place_open(struct place *place);

/* An open in one step, where that is exact and the directory is not worth keeping; -ELOOP: take the long way. */
long open_directly(int from, char *path, u64 flags, u64 mode);

/* A directory by its text (`length` bytes of `path`, which must be writable memory); the descriptor is held or borrowed. */
long open_directory(int from, char *path, size_t length, int *bind);

/* --- strict.c: one open that follows no link --- */
#define OPEN_DIRECTORY (O_PATH | O_CLOEXEC | O_DIRECTORY)
/* An open of the engine's own; `resolve` of openat2, 0: openat. */
long open_temporary(int start, const char *path, u64 flags, u64 resolve);
long open_beneath(int start, const char *rest, u64 flags, u64 mode);
/* The same for a directory whose name is known to be canonical. */
long open_canonical(int start, const char *rest);
/* A directory whose name may begin with `..`, but holds no link. */
long open_without_links(int start, const char *rest);
long open_last(int directory, const char *name, u64 flags, u64 mode);

/* --- canonical.c --- */
/* The canonical guest path of a directory name, "" for the root, into `out` (PATH_LIMIT). Every component is followed. */
long canonical_directory(int from, const char *path, char *out);
/* Opens it, and says in which bind it lies. */
long open_walking(int from, const char *path, int *bind);

/* --- host_path.c --- */
/* Host path of a descriptor or AT_FDCWD into `out` (PATH_LIMIT); negative error. A mark of a deleted directory is taken off. */
long host_path_of(int fd, char *out);
/* The current directory may have been removed: then it has no path for getcwd, but one that `..` can go up from. */
long last_path_of_cwd(char *host);
long guest_path_of(int fd, char *out);

/* The same descriptor under another number if `name` is its number. */
int move_away(int fd, const char *name);

/* --- proc.c --- */
enum link_kind { LINK_PLAIN, LINK_TEXT, LINK_MAGIC };
/* What a link named `name` in `directory` is; `text` (PATH_LIMIT) holds what the kernel says of it. LINK_TEXT: `text` is now the guest's
 * path it leads to. LINK_MAGIC: unchanged. Negative: error. */
long proc_link(int directory, const char *name, char *text);
/* The guest's view of a host path, "/" for the root, into another buffer; false: not visible. */
bool shown_path(const char *host, char *text, int preferred);
bool may_be_proc_link(const char *name);
bool in_procfs(int fd);
/* The process belongs to this container. */
bool is_guest_process(u64 pid);

#endif
