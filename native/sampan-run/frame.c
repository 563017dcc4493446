/* Kind, three zeros, length in big-endian, content. */
#include "frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum frame_found frame_read(const unsigned char *bytes, size_t length, struct frame *frame)
{
    if (length < FRAME_HEADER)
        return FRAME_CUT;
    frame->kind = (enum frame_kind)bytes[0];
    frame->length = (size_t)bytes[4] << 24 | (size_t)bytes[5] << 16 | (size_t)bytes[6] << 8 | bytes[7];
    frame->content = bytes + FRAME_HEADER;
    bool known = bytes[0] == FRAME_STDIN || (bytes[0] == FRAME_RESIZE && frame->length == 4) ||
                 (bytes[0] == FRAME_DETACH && frame->length == 0);
    if (!known || bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0 || frame->length > FRAME_LONGEST)
        return FRAME_WRONG;
    return length - FRAME_HEADER < frame->length ? FRAME_CUT : FRAME_WHOLE;
}

void frame_head(unsigned char head[FRAME_HEADER], enum frame_kind kind, size_t length)
{
    const unsigned char bytes[FRAME_HEADER] = {(unsigned char)kind, 0, 0, 0, (unsigned char)(length >> 24),
                                               (unsigned char)(length >> 16), (unsigned char)(length >> 8), (unsigned char)length};
    memcpy(head, bytes, FRAME_HEADER);
}
