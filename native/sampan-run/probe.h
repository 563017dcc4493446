/* `sampan-run --probe`: what the writable part of a container can be on this machine. */
#ifndef PROBE_H
#define PROBE_H

/* Tries things out at `place`, a directory or "memory", and prints a line for each. Leaves nothing. Exit status. */
int probe(const char *place);

#endif
