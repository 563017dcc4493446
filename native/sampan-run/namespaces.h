/* New namespaces and the id map. */
#ifndef NAMESPACES_H
#define NAMESPACES_H

#include "maps.h"

/* The CLONE_NEW* flags of what is made or joined. */
int namespaces_flags(const struct launch *launch);

/* Makes the namespaces of `unshare` but those of `made`, which this process was born in, writes the maps, sets host name and
 * loopback. Ends the program with a sentence that names the reason and a way on if the machine does not allow it. */
void namespaces_enter(const struct launch *launch, const struct mapper *mapper, int made);

/* Ends the program: `step` was refused with the number `error`. */
_Noreturn void namespaces_refused(const char *step, int error);

/* Enters a new user namespace with this caller's ids; 0, or -1 with errno and in `step` what was refused. */
int namespaces_try_user(const char **step);

/* Why the machine refuses namespaces, with a hint set; "" if nothing is known. `error` is the number it gave. */
const char *namespaces_reason(int error);

#endif
