#include "../kernel/text.h"
#include "../threads/process.h"
#include "place.h"


static const char deleted_mark[] = " (deleted)";

long host_path_of(int fd, char *out)
{
    if (fd == AT_FDCWD) {
        long size = KERNEL(getcwd, out, PATH_LIMIT);
        return size < 0 ? size : out[0] == '/' ? size - 1 : -ENOENT;
    }
    char link[40];
    put_number(put_text(link, "/proc/self/fd/"), (u64)(u32)fd);
    long length = KERNEL(readlinkat, AT_FDCWD, link, out, PATH_LIMIT - 1);
    if (length < 0)
        return length == -ENOENT ? -EBADF : length;
    out[length] = 0;
    if (out[0] != '/')
        return -ENOTDIR;
    long mark = length - (long)sizeof deleted_mark + 1;
    struct stat status;
    if (mark > 0 && text_equal(out + mark, deleted_mark) && !KERNEL(fstat, fd, &status) && !status.nlink) {
        out[mark] = 0;
        length = mark;
    }
    return length;
}

long last_path_of_cwd(char *host)
{
    long size = KERNEL(readlinkat, AT_FDCWD, "/proc/self/cwd", host, PATH_LIMIT - 1);
    long mark = size - (long)sizeof deleted_mark + 1;
    if (size < 0 || mark <= 0 || host[0] != '/')
        return size < 0 ? size : -ENOENT;
    host[size] = 0;
    if (!text_equal(host + mark, deleted_mark))
        return -ENOENT;
    host[mark] = 0;
    return mark;
}

long guest_path_of(int fd, char *out)
{
    char *host = arena_take(PATH_LIMIT);
    long error = host ? host_path_of(fd, host) : -ENOMEM;
    if (error == -ENOENT && fd == AT_FDCWD)
        error = last_path_of_cwd(host);
    if (error < 0)
        return error;
    return guest_of_host(host, out, fd == AT_FDCWD ? process.directory_bind : -1) ? 0 : -ENOENT;
}
