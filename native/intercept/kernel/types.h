/* Plain types. The program has no libc, so nothing here may come from one: the compiler's own headers only. */
#ifndef SAMPAN_TYPES_H
#define SAMPAN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All in one program at a far address: declarations, too, are known to be within reach, so no table of addresses is needed. */
#pragma GCC visibility push(hidden)

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

#define PATH_LIMIT 4096 /* PATH_MAX of the kernel, NUL included */
#define PAGE 4096UL

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((noinline, cold))
/* Data that every process writes: gathered on one page, because a page costs a fault in every exec. */
#define HOT __attribute__((section(".hot,\"aw\",@nobits#")))

/* The kernel's convention for "a value or a negative error number", for addresses too. */
static inline bool is_error(long value)
{
    return (u64)value > -4096UL;
}

#endif
