/* `#!` lines, read as the kernel reads them (fs/binfmt_script.c): 256 bytes count, one argument at most, which keeps its blanks. */
#ifndef SAMPAN_SCRIPT_H
#define SAMPAN_SCRIPT_H

#include "../kernel/types.h"

bool script_has_line(const u8 *start);
/* Takes the line apart in place; 0 or -ENOEXEC. `*argument` is NULL without one. */
long script_parse(char *start, const char **interpreter, const char **argument);
/* Puts interpreter and argument in front of the words collected so far; `script` takes the place of what was argv[0]. */
void script_add(const char **words, int *count, const char *script, const char *interpreter, const char *argument);

#endif
