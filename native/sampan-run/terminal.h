/* Terminals: new ones for payloads, and the one the caller has. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>

/* A new terminal of the devpts that this root shows: its master, or -1. */
int terminal_open(void);

/* The other end of it; -1 with errno. */
int terminal_slave(int master);

/* Makes `slave` the three streams and the controlling terminal of this process, which must lead its session; -1 with errno. */
int terminal_become(int slave);

void terminal_resize(int master, unsigned rows, unsigned columns);

/* Is this process in the foreground of its controlling terminal? */
bool terminal_is_ours(void);

/* Takes it back if its foreground is a process group that does not exist any more. SIGTTOU has to be blocked. */
void terminal_take_back(void);

#endif
