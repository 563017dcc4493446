/* The frames of docs/design/attach.md. Pure. */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>

enum frame_kind {
    FRAME_STDIN, FRAME_STDOUT, FRAME_STDERR, FRAME_RESIZE, FRAME_DETACH, FRAME_HELLO, FRAME_EXIT, FRAME_GONE,
};

enum { FRAME_HEADER = 8, FRAME_LONGEST = 65536 };

struct frame {
    enum frame_kind kind;
    size_t length;
    const unsigned char *content;
};

enum frame_found { FRAME_WHOLE, FRAME_CUT /* more bytes are needed */, FRAME_WRONG /* no client may send this */ };

/* The frame that `bytes`, sent by a client, begin with. */
enum frame_found frame_read(const unsigned char *bytes, size_t length, struct frame *frame);

/* A header. */
void frame_head(unsigned char head[FRAME_HEADER], enum frame_kind kind, size_t length);

#endif
