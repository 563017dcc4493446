/* Signals that the engine needs for itself, and the guest's view of them. */
#ifndef SAMPAN_SIGNALS_H
#define SAMPAN_SIGNALS_H

#include "../x86_64/frame.h"

/* Installs the engine's handlers. `ignored`: bits of signals (SIGNAL_BIT) that the guest ignored before exec. */
void signals_arm(u64 ignored);
u64 signals_ignored(void);

long call_rt_sigaction(struct frame *frame);
long call_rt_sigprocmask(struct frame *frame);
long call_rt_sigsuspend(struct frame *frame);
long call_sigaltstack(struct frame *frame);
long call_ppoll(struct frame *frame);
long call_pselect6(struct frame *frame);
long call_epoll_pwait(struct frame *frame);

#endif
