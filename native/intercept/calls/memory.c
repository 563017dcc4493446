/* Programs and libraries on a file system mounted noexec: the kernel maps no code from there, so it is copied. The engine is no
 * boundary anyhow, and an image on a scratch disk is the usual case. */
#include "calls.h"

static bool read_fully(long fd, u64 address, u64 size, u64 offset)
{
    while (size) {
        long got = KERNEL(pread64, fd, address, size, offset);
        if (got <= 0)
            return got == 0;
        address += (u64)got;
        offset += (u64)got;
        size -= (u64)got;
    }
    return true;
}

long call_mmap(struct frame *frame)
{
    const u64 *a = frame->arg;
    long result = KERNEL(mmap, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result != -EPERM || !(a[3] & MAP_PRIVATE))
        return result;
    u64 address = (u64)KERNEL(mmap, a[0], a[1], PROT_READ | PROT_WRITE, a[3] | MAP_ANONYMOUS, -1, 0);
    if (is_error((long)address))
        return (long)address;
    if (read_fully((long)a[4], address, a[1], a[5]) && !KERNEL(mprotect, address, a[1], a[2]))
        return (long)address;
    KERNEL(munmap, address, a[1]);
    return -EPERM;
}
