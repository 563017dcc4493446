/* The small /dev of the `dev` record. */
#ifndef DEVICE_H
#define DEVICE_H

#include "root.h"

/* A group other than the caller's own, as the usual gid=5, is not mapped. */
#define DEVPTS_OPTIONS "newinstance,ptmxmode=0666,mode=0620"

/* Fills the tmpfs whose root `top` is. */
void device_fill(const struct root *root, int top);

#endif
