#ifndef SAMPAN_SOCKETS_H
#define SAMPAN_SOCKETS_H

#include "calls.h"

/* The path of a file system name, with NUL, into `path` (UNIX_PATH_LIMIT + 1); false: another family, abstract, unnamed, or no address. */
bool socket_path(const struct sockaddr_un *address, u64 length, char *path);
/* An address that reaches the socket at this path of the guest. */
long socket_target(const char *path, struct sockaddr_un *address, u64 *length);
/* An address that creates it. */
long socket_new_name(const char *path, struct sockaddr_un *address, u64 *length);
/* Changes an address from the kernel to what the guest shall see; its new length. */
u64 socket_show(struct sockaddr_un *address, u64 length);

#endif
