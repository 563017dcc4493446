/* What --trace prints on stderr: one line as a call comes in, one with its result. */
#ifndef SAMPAN_TRACE_H
#define SAMPAN_TRACE_H

#include "../x86_64/frame.h"

void trace_call(const struct frame *frame);
void trace_result(u64 nr, long result);

#endif
