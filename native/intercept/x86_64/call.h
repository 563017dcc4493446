/* One system call made by the engine itself: never filtered, because the filter lets calls from the engine's addresses pass. */
#ifndef SAMPAN_CALL_X86_64_H
#define SAMPAN_CALL_X86_64_H

static inline __attribute__((always_inline)) long kernel_call(long nr, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

#endif
