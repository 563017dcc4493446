/* `KERNEL(openat, fd, path, flags)`: a call by its name, result or negative error number. */
#ifndef SAMPAN_CALLS_H
#define SAMPAN_CALLS_H

#include "../x86_64/call.h"
#include "abi.h"

#define KERNEL_0(nr) kernel_call(nr, 0, 0, 0, 0, 0, 0)
#define KERNEL_1(nr, a) kernel_call(nr, (long)(a), 0, 0, 0, 0, 0)
#define KERNEL_2(nr, a, b) kernel_call(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define KERNEL_3(nr, a, b, c) kernel_call(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define KERNEL_4(nr, a, b, c, d) kernel_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define KERNEL_5(nr, a, b, c, d, e) kernel_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define KERNEL_6(nr, a, b, c, d, e, f) kernel_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define KERNEL_PICK(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define KERNEL_NR(...) KERNEL_PICK(__VA_ARGS__, KERNEL_6, KERNEL_5, KERNEL_4, KERNEL_3, KERNEL_2, KERNEL_1, KERNEL_0, )(__VA_ARGS__)
#define KERNEL(name, ...) KERNEL_NR(NR_##name, ##__VA_ARGS__)

#endif
