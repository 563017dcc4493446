#include "container.h"

bool container_map(int descriptor)
{
    u64 first = (u64)KERNEL(mmap, SHARED_ADDRESS, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0);
    u64 second = (u64)KERNEL(mmap, CONTAINER_ADDRESS, CONTAINER_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, PAGE);
    return first == SHARED_ADDRESS && second == CONTAINER_ADDRESS && container->magic == CONTAINER_MAGIC && container->layout == CONTAINER_LAYOUT;
}

bool raise_limit(struct rlimit *before, u64 wanted)
{
    if (KERNEL(prlimit64, 0, RLIMIT_NOFILE, NULL, before))
        return false;
    struct rlimit raised = {wanted < before->hard ? wanted : before->hard, before->hard};
    return raised.soft > before->soft && !KERNEL(prlimit64, 0, RLIMIT_NOFILE, &raised, NULL);
}

void restore_limit(const struct rlimit *before)
{
    KERNEL(prlimit64, 0, RLIMIT_NOFILE, before, NULL);
}

long reserve_descriptor(int fd, int number)
{
    struct rlimit before;
    long result = KERNEL(dup3, fd, number, 0);
    if (result != -EBADF || !raise_limit(&before, (u64)number + 1))
        return result;
    result = KERNEL(dup3, fd, number, 0);
    restore_limit(&before);
    return result;
}
