/* The process that answers for the kernel what a payload with one id asks about owners. */
#ifndef SUPERVISE_H
#define SUPERVISE_H

/* Answers until nobody is left who could ask. `listener`: of the filter; the current directory must be a /proc that shows those who
 * ask. */
_Noreturn void supervise(int listener);

#endif
