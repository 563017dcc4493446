#include "container.h"

bool container_map(int descriptor)
{
    u64 first = (u64)KERNEL(mmap, SHARED_ADDRESS, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0);
    u64 second = (u64)KERNEL(mmap, CONTAINER_ADDRESS, CONTAINER_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, PAGE);
    return first == SHARED_ADDRESS && second == CONTAINER_ADDRESS && container->magic == CONTAINER_MAGIC && container->layout == CONTAINER_LAYOUT;
}

long reserve_descriptor(int fd, int number)
{
    long result = KERNEL(dup3, fd, number, 0);
    if (result != -EBADF)
        return result;
    struct rlimit limit, raised;
    if (KERNEL(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) || limit.hard <= (u64)number)
        return result;
    raised = (struct rlimit){(u64)number + 1, limit.hard};
    KERNEL(prlimit64, 0, RLIMIT_NOFILE, &raised, NULL);
    result = KERNEL(dup3, fd, number, 0);
    KERNEL(prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
    return result;
}
