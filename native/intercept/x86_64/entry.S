/* The doors between guest and engine on x86_64.
 *
 * A stopped call arrives with the number in rax, arguments in rdi rsi rdx r10 r8 r9, the guest's next instruction in rcx; r11 is
 * free: rcx and r11 are what `syscall` destroys anyhow. Nothing may be written to the guest's stack (red zone; Go frees
 * the stack of a dying thread early).
 *
 * The engine works on the thread's internal stack, which is also its kernel signal stack, found by gs. Rule: a guest whose rsp
 * is outside starts at the top; one whose rsp is inside (a signal handler that runs there) goes on below. So handlers nest,
 * and a longjmp out of a handler leaves nothing to undo. */

#define LOW %gs:0
#define HIGH %gs:8
#define FRAME %gs:24

#define NR 0
#define ARG0 8
#define ARG1 16
#define ARG2 24
#define ARG3 32
#define ARG4 40
#define ARG5 48
#define RET 56
#define SP 64
#define RBX 72
#define RBP 80
#define R12 88
#define R13 96
#define R14 104
#define R15 112
#define PREVIOUS 136
#define FRAME_SIZE 144

#define STATE_CHILD FRAME_SIZE
#define STATE_CALL (2 * FRAME_SIZE)
#define STATE_CHANGE (STATE_CALL + 40)
#define STATE_STACK (STATE_CHANGE + 8)

/* struct siginfo and struct ucontext of a signal frame */
#define INFO_CODE 8
#define INFO_SYSCALL 24
#define UC_FLAGS 0
#define UC_RDI 104
#define UC_RSI 112
#define UC_RDX 136
#define UC_RSP 160
#define UC_RIP 168
#define UC_FPSTATE 224
#define UC_MASK 296
#define FPSTATE_FEATURES 472
#define UC_FP_XSTATE 1
#define SYS_SECCOMP 1
#define SIGSYS_BIT 30

#define NR_rt_sigreturn 15
#define NR_clone 56
#define NR_exit 60
#define NR_sigaltstack 131

        .text
        .globl start, sigsys_door, trap_door, fault_door, sigreturn_door, signal_restorer
        .globl thread_spawn, vfork_call, thread_leave, enter_program
        .hidden start, sigsys_door, trap_door, fault_door, sigreturn_door, signal_restorer
        .hidden thread_spawn, vfork_call, thread_leave, enter_program

start:
        mov     %rsp, %rdi
        xor     %ebp, %ebp
        and     $-16, %rsp
        call    start_program
        hlt

/* Handler of SIGSYS: (number, info, context). Its frame is left without sigreturn, which would cost as much again as all else that the engine does: the
 * signal mask was not changed, all other registers still hold the guest's values, and the vector state that the kernel put aside is
 * loaded here. Then everything is as it was at the stopped call, and what is above on the stack is free. */
sigsys_door:
        cmpl    $SYS_SECCOMP, INFO_CODE(%rsi)
        jne     sigsys_sent             /* somebody sent it: an ordinary handler, which returns */
        mov     INFO_SYSCALL(%rsi), %eax
        cmp     $NR_rt_sigreturn, %eax
        je      6f
        mov     UC_FPSTATE(%rdx), %rcx
        mov     %rdx, %r11
        testl   $UC_FP_XSTATE, UC_FLAGS(%rdx)
        jz      7f
        mov     FPSTATE_FEATURES(%rcx), %eax /* those the kernel saved; others may not be named here */
        mov     FPSTATE_FEATURES+4(%rcx), %edx
        xrstor64 (%rcx)
        jmp     8f
7:      fxrstor64 (%rcx)
8:      mov     INFO_SYSCALL(%rsi), %eax
        mov     UC_RIP(%r11), %rcx
        mov     UC_RDX(%r11), %rdx
        mov     UC_RSI(%r11), %rsi
        mov     UC_RDI(%r11), %rdi
        mov     UC_RSP(%r11), %rsp
trap_door:
        mov     %rsp, %r11
        cmp     LOW, %rsp
        jb      1f
        cmp     HIGH, %rsp
        ja      1f
        lea     -128(%rsp), %rsp        /* the red zone of what was interrupted */
        and     $-16, %rsp
        pushq   FRAME
        jmp     2f
1:      mov     HIGH, %rsp
        pushq   $0
2:      lea     -(FRAME_SIZE - 8)(%rsp), %rsp
        mov     %rax, NR(%rsp)
        mov     %rdi, ARG0(%rsp)
        mov     %rsi, ARG1(%rsp)
        mov     %rdx, ARG2(%rsp)
        mov     %r10, ARG3(%rsp)
        mov     %r8, ARG4(%rsp)
        mov     %r9, ARG5(%rsp)
        mov     %rcx, RET(%rsp)
        mov     %r11, SP(%rsp)
        mov     %rbx, RBX(%rsp)
        mov     %rbp, RBP(%rsp)
        mov     %r12, R12(%rsp)
        mov     %r13, R13(%rsp)
        mov     %r14, R14(%rsp)
        mov     %r15, R15(%rsp)
        mov     %rsp, FRAME
        mov     %rsp, %rdi
        call    dispatch
leave:
        mov     %rsp, %r11
        mov     PREVIOUS(%r11), %rcx
        mov     %rcx, FRAME
return_to_guest:                        /* r11: frame, rax: result */
        mov     ARG0(%r11), %rdi
        mov     ARG1(%r11), %rsi
        mov     ARG2(%r11), %rdx
        mov     ARG3(%r11), %r10
        mov     ARG4(%r11), %r8
        mov     ARG5(%r11), %r9
        mov     RBX(%r11), %rbx
        mov     RBP(%r11), %rbp
        mov     R12(%r11), %r12
        mov     R13(%r11), %r13
        mov     R14(%r11), %r14
        mov     R15(%r11), %r15
        mov     RET(%r11), %rcx
        mov     SP(%r11), %rsp
        jmp     *%rcx

fault_door:                             /* rsp: frame of the call that met a bad pointer */
        mov     %rsp, %rdi
        call    dispatch_abandoned
        jmp     leave

6:      mov     UC_RSP(%rdx), %rsp
sigreturn_door:                         /* rsp: the guest's, at its ucontext */
        btrq    $SIGSYS_BIT, UC_MASK(%rsp)
signal_restorer:
        mov     $NR_rt_sigreturn, %eax
        syscall
        hlt

/* long thread_spawn(const u64 *clone_arguments, struct thread *fresh, struct frame *first)
 * The child begins on its own internal stack, at a copy of the parent's frame; the parent's may be gone by then. */
thread_spawn:
        push    %r12
        mov     %rsi, %r12
        mov     %rdi, %r11
        mov     %rdx, %rsi
        mov     (%r11), %rdi
        mov     16(%r11), %rdx
        mov     24(%r11), %r10
        mov     32(%r11), %r8
        mov     $NR_clone, %eax
        syscall
        test    %rax, %rax
        jz      3f
        pop     %r12
        ret
3:      mov     %r12, %rdi
        call    thread_begin
        mov     %rsp, %r11
        xor     %eax, %eax
        jmp     return_to_guest

/* void vfork_call(struct vfork_state *state)
 * The child may overwrite the whole internal stack: from the call on, only `state` and registers are relied on. */
vfork_call:
        mov     %rdi, %rbx
        mov     STATE_CALL(%rbx), %rdi
        xor     %esi, %esi
        mov     STATE_CALL+16(%rbx), %rdx
        mov     STATE_CALL+24(%rbx), %r10
        mov     STATE_CALL+32(%rbx), %r8
        mov     $NR_clone, %eax
        syscall
        test    %rax, %rax
        jz      4f
        mov     %rax, %r12
        mov     %rax, %rsi
        mov     %rbx, %rdi
        and     $-16, %rsp
        call    vfork_resume
        mov     %r12, %rax
        mov     %rbx, %r11
        jmp     return_to_guest
4:      cmpq    $0, STATE_CHANGE(%rbx)
        je      5f
        mov     STATE_CHILD+SP(%rbx), %rsp /* the kernel changes no signal stack in use */
        lea     STATE_STACK(%rbx), %rdi
        xor     %esi, %esi
        mov     $NR_sigaltstack, %eax
        syscall
5:      lea     STATE_CHILD(%rbx), %r11
        xor     %eax, %eax
        jmp     return_to_guest

/* void thread_leave(long status, u32 *lock): from the release of the lock on, the stack may belong to another thread. */
thread_leave:
        movl    $0, (%rsi)
        mov     $NR_exit, %eax
        syscall
        hlt

/* void enter_program(u64 *stack, u64 entry) */
enter_program:
        mov     %rdi, %rsp
        mov     %rsi, %rcx
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %edx, %edx
        xor     %esi, %esi
        xor     %edi, %edi
        xor     %ebp, %ebp
        xor     %r8d, %r8d
        xor     %r9d, %r9d
        xor     %r10d, %r10d
        xor     %r11d, %r11d
        xor     %r12d, %r12d
        xor     %r13d, %r13d
        xor     %r14d, %r14d
        xor     %r15d, %r15d
        jmp     *%rcx

        .section .note.GNU-stack, "", @progbits
