/* The id maps of a new user namespace. */
#ifndef MAPS_H
#define MAPS_H

#include "launch.h"

#include <sys/types.h>

/* Who writes the maps: the process itself, or one that stays behind in the namespace it came from. */
struct mapper {
    int socket; /* to the one that stays behind; -1: there is none */
    pid_t pid;
    unsigned uid, gid; /* effective ids of the starter */
};

/* Has to be called before the user namespace is made; a path of a tool is relative to `base`. */
struct mapper mapper_start(const struct launch *launch, int base);

/* Tells the mapper the process in the new user namespace, by its pid where the mapper is. */
void mapper_ask(const struct mapper *mapper, pid_t pid);

/* Does the plan need a root inside while things are set up, though the map it asks for has none? Then the own map is of root, and
 * maps_nest gives the payload the ids asked for. */
bool maps_are_nested(const struct launch *launch);
void maps_nest(const struct launch *launch);

/* In that process: the maps are there afterwards. 0, or -1 with errno and in `step` what was refused; a mapper's refusal ends the
 * program with its words. */
int mapper_finish(const struct mapper *mapper, const struct launch *launch, const char **step);

/* Where it was started: waits for its end. */
void mapper_reap(const struct mapper *mapper);

/* Maps of one id each, for the process itself. */
int maps_write_own(unsigned inside_uid, unsigned inside_gid, unsigned uid, unsigned gid, const char **step);

#endif
