/* The environment and the words of the payload. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "launch.h"

/* The environment that the records make from the caller's, for execve. */
char **environment_make(const struct launch *launch, char **caller);

/* The value of a variable in it, or NULL. */
const char *environment_value(char **environment, const char *name);

/* The same environment, in which this variable (`NAME=VALUE`) is the only one of its name; the text has to live on. */
char **environment_with(char **environment, char *variable);

/* The words of the payload: those of `exec`, default ones and the caller's, as `args` says. `words` ends with NULL. */
char **arguments_make(const struct launch *launch, char **words);

#endif
