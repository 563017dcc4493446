/* New namespaces and the id map. */
#ifndef NAMESPACES_H
#define NAMESPACES_H

#include "launch.h"

/* Enters the namespaces of `unshare`, writes the maps, sets host name and loopback. Ends the program with a sentence that
 * names the reason and a way on if the machine does not allow it. */
void namespaces_enter(const struct launch *launch);

/* Enters a new user namespace with this caller's ids; 0, or -1 with errno and in `step` what was refused. */
int namespaces_try_user(const char **step);

/* Why the machine refuses namespaces, with a hint set; "" if nothing is known. `error` is the number it gave. */
const char *namespaces_reason(int error);

#endif
