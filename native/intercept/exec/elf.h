/* ELF files: just what a program loader needs. */
#ifndef SAMPAN_ELF_H
#define SAMPAN_ELF_H

#include "../kernel/types.h"

#define ET_EXEC 2
#define ET_DYN 3
#define PT_LOAD 1
#define PT_INTERP 3
#define PT_NOTE 4
#define PT_GNU_STACK 0x6474e551u
#define PF_X 1u
#define PF_W 2u
#define PF_R 4u

struct elf_header {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, phoff, shoff;
    u32 flags;
    u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
    u32 type, flags;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};

#define SEGMENT_LIMIT 128

#define AT_NULL 0
#define AT_PHDR 3
#define AT_PHENT 4
#define AT_PHNUM 5
#define AT_BASE 7
#define AT_ENTRY 9
#define AT_UID 11
#define AT_EUID 12
#define AT_GID 13
#define AT_EGID 14
#define AT_SECURE 23
#define AT_RANDOM 25
#define AT_EXECFN 31

/* The beginning of a file, large enough for the header, `#!` lines and nearly all segment tables. */
struct elf_file {
    int fd;
    u32 size; /* bytes read */
    union {
        u8 bytes[1024];
        struct elf_header header;
    } start;
    const struct elf_segment *segments; /* in `start` or `more` */
    struct elf_segment more[SEGMENT_LIMIT];
};

/* Reads the beginning; 0 or a negative error. */
long elf_read(struct elf_file *file, int fd);
bool elf_is_elf(const struct elf_file *file);
/* Is it a program for this machine that can be loaded? Reads the segment table. 0, or -ENOEXEC, or a read error. */
long elf_check(struct elf_file *file);
/* The path of its dynamic loader, into `path` (PATH_LIMIT); 0 without one, 1 with, or a negative error. */
long elf_interpreter(const struct elf_file *file, char *path);
/* Is it a sampan-intercept? */
bool elf_is_engine(const struct elf_file *file);
/* The number of a machine type by its name as uname has it, 0: unknown. */
u32 elf_machine_number(const char *name, size_t length);
/* What the machine type is called, for messages. */
const char *elf_machine_name(const struct elf_file *file);

#endif
