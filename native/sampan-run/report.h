/* Who is told how a start went: the `ready` descriptor, and with `detach` the process that was called. */
#ifndef REPORT_H
#define REPORT_H

#include "launch.h"

/* Keeps the `ready` descriptor. */
void report_keep(const struct launch *launch);

/* Goes on in a new process and session; the one that was called waits for the report and ends with its status. */
void report_detach(void);

/* Is there still somebody who waits in front? POLLERR of this descriptor says no; -1: nobody ever did. */
int report_front(void);

/* The payload runs. */
void report_started(void);

/* It does not, for the reason in `text`. */
void report_failed(int status, const char *text);

#endif
