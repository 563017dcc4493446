/* Marks the program, so that an engine recognises another (exec/elf.c). */
        .section .note.sampan, "a", @note
        .align  4
        .long   17
        .long   0
        .long   1
        .asciz  "sampan-intercept"
        .align  4
        .section .note.GNU-stack, "", @progbits
