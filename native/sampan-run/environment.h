/* The environment and the words of the payload. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "launch.h"

/* The environment that the records make from the caller's, for execve. */
char **environment_make(const struct launch *launch, char **caller);

/* The value of a variable in it, or NULL. */
const char *environment_value(char **environment, const char *name);

/* The words of the payload: those of `exec`, default ones and the caller's, as `args` says. `words` ends with NULL. */
char **arguments_make(const struct launch *launch, char **words);

#endif
