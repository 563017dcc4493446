/* What the watcher and the process it started say to each other until the payload runs, and what an init says afterwards. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>

enum word {
    WORD_GO,      /* to the payload: everything is written down, run */
    WORD_PAYLOAD, /* this process, `value`, will be the payload */
    WORD_MASTER,  /* a descriptor comes along: the master of its terminal */
    WORD_STOPPED, /* the payload was stopped by signal `value` */
    WORD_ENDED,   /* the payload has ended with the wait status `value` */
};

struct message {
    enum word word;
    int value;
    int passed; /* a descriptor, or -1 */
};

/* A pair of ends; ends the program if there is none to be had. */
void channel_make(int ends[2]);

/* `passed`: a descriptor to go along, or -1. False if the other end is gone. */
bool channel_send(int fd, enum word word, int value, int passed);

/* The next message, waited for unless `fd` is non-blocking; false if there is none. */
bool channel_receive(int fd, struct message *message);

#endif
