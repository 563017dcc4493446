/* Links of procfs: their text names host paths, or nothing at all.
 *
 * `exe` and `root` of a process of this container lead to the guest's paths. Descriptors and the current directory are left to the
 * kernel, which needs no path for them: a file may have been removed, or opened before the start, and whoever holds it may reopen it. What
 * other processes of the host have open, and where they stand, is refused, as it is for a process in its own user namespace. */
#include "../exec/state.h"
#include "../kernel/text.h"
#include "../threads/process.h"
#include "place.h"

bool in_procfs(int fd)
{
    struct statfs filesystem;
    long error = fd == AT_FDCWD ? KERNEL(statfs, ".", &filesystem) : KERNEL(fstatfs, fd, &filesystem);
    return !error && filesystem.type == PROC_SUPER_MAGIC;
}

bool may_be_proc_link(const char *name)
{
    if (name[0] >= '0' && name[0] <= '9')
        return true; /* fd/N, map_files/FROM-TO */
    static const char names[] = "exe\0cwd\0root\0cgroup\0ipc\0mnt\0net\0pid\0pid_for_children\0time\0time_for_children\0user\0uts\0";
    for (const char *at = names; *at; at += strlen(at) + 1)
        if (text_equal(name, at))
            return true;
    return name[0] >= 'a' && name[0] <= 'f' && name[1] && strlen(name) > 8; /* map_files again */
}

bool is_guest_process(u64 pid)
{
    char link[64], text[40];
    if (pid == (u64)KERNEL(getpid))
        return true;
    char *end = put_text(put_number(put_text(link, "/proc/"), pid), "/fd/");
    put_number(end, (u64)reserved_descriptor(RESERVED_CONTAINER));
    long size = KERNEL(readlinkat, AT_FDCWD, link, text, sizeof text - 1);
    if (size <= 0)
        return false;
    text[size] = 0;
    return text_begins(text, "/memfd:" CONTAINER_FILE_NAME);
}

/* "<procfs>/PID/fd" and the like, taken apart from its end. */
struct proc_directory {
    u64 pid;
    bool process;     /* the directory of a process or thread itself */
    bool descriptors; /* its fd */
    bool other;       /* its ns or map_files */
};

static bool take_apart(char *host, struct proc_directory *directory)
{
    size_t length = strlen(host), base = base_offset(host, length);
    const char *name = host + base;
    if (text_equal(name, "fd"))
        directory->descriptors = true;
    else if (text_equal(name, "ns") || text_equal(name, "map_files"))
        directory->other = true;
    else
        directory->process = true;
    if (!directory->process) {
        host[base ? base - 1 : 0] = 0;
        base = base_offset(host, strlen(host));
    }
    u64 number;
    if (!read_number(host + base, &number, NULL))
        return false;
    host[base ? base - 1 : 0] = 0;
    base = base_offset(host, strlen(host));
    if (text_equal(host + base, "task")) { /* PID/task/TID: the process counts */
        host[base ? base - 1 : 0] = 0;
        base = base_offset(host, strlen(host));
        if (!read_number(host + base, &number, NULL))
            return false;
    }
    directory->pid = number;
    return true;
}

bool shown_path(const char *host, char *text, int preferred)
{
    if (!guest_of_host(host, text, preferred))
        return false;
    size_t jail = strlen(process.jail);
    if (jail) {
        if (memcmp(text, process.jail, jail) || (text[jail] && text[jail] != '/'))
            return false;
        memmove(text, text + jail, strlen(text + jail) + 1);
    }
    if (!text[0])
        put_text(text, "/");
    return true;
}

static long program_link(u64 pid, char *text)
{
    if (pid != (u64)KERNEL(getpid))
        return state_program_of(pid, text) ? LINK_TEXT : -EACCES;
    put_text(text, process.program);
    return LINK_TEXT;
}

static long link_of(int directory, const char *name, char *text)
{
    if (!in_procfs(directory))
        return LINK_PLAIN;
    struct proc_directory where = {0};
    char *host = arena_take(PATH_LIMIT);
    if (!host)
        return -ENOMEM;
    if (host_path_of(directory, host) < 0 || !take_apart(host, &where))
        return LINK_PLAIN;
    u64 number;
    if (where.descriptors && read_number(name, &number, NULL) && is_reserved((long)number) && is_guest_process(where.pid))
        return -ENOENT;
    if (!is_guest_process(where.pid))
        return -EACCES;
    if (where.process) {
        if (text_equal(name, "exe"))
            return program_link(where.pid, text);
        if (text_equal(name, "root")) {
            put_text(text, "/");
            return LINK_TEXT;
        }
        return text_equal(name, "cwd") ? LINK_MAGIC : LINK_PLAIN;
    }
    return LINK_MAGIC;
}

long proc_link(int directory, const char *name, char *text)
{
    long kind = link_of(directory, name, text);
    if (kind > LINK_PLAIN)
        this_thread()->magic_met++;
    return kind;
}
