/* What differs from one architecture to the next in the kernel's interface: here for x86_64. */
#ifndef SAMPAN_ABI_X86_64_H
#define SAMPAN_ABI_X86_64_H

#include "../kernel/types.h"

#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000

#define AUDIT_ARCH_NATIVE 0xc000003eu
#define X32_SYSCALL_BIT 0x40000000u
#define ELF_MACHINE 62
#define MACHINE_NAME "x86_64"

/* Addresses of the engine: below the usual place of position independent programs, where ThreadSanitizer and AddressSanitizer
 * expect a program, so that neither refuses. The container's description lies in the same 2 MiB as the program (one page
 * table), below it, because the heap (brk) grows behind the program. The linker gets ENGINE_TEXT from hatch_build.py. */
#define ENGINE_BASE 0x551000000000UL
#define ENGINE_TEXT 0x551000100000UL
#define ENGINE_SPAN 0x1000000UL
#define PIE_BASE 0x555555554000UL
#define PIE_RANDOM_PAGES 0xfffffffUL

struct stat {
    u64 dev, ino, nlink;
    u32 mode, uid, gid, pad;
    u64 rdev;
    long size, blksize, blocks;
    u64 atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
    long unused[3];
};

#define ARCH_SET_GS 0x1001
#define ARCH_GET_GS 0x1004
#define ARCH_SHSTK_ENABLE 0x5001

/* The part of a signal frame that a handler reads and changes. */
struct ucontext {
    u64 flags, link;
    u64 stack_sp, stack_flags, stack_size;
    u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    u16 cs, gs, fs, ss;
    u64 error, trapno, oldmask, cr2, fpstate, reserved[8];
    u64 mask;
};

#define NUMBER(value, name) NR_##name = value,
enum {
#include "numbers.def"
    NR_LAST = 469
};
#undef NUMBER

#endif
