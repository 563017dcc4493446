#include "elf.h"

#include "../container/container.h"
#include "../kernel/text.h"

#define ELF_CLASS_64 2
#define ELF_CLASS_32 1

long elf_read(struct elf_file *file, int fd)
{
    file->fd = fd;
    long got = KERNEL(pread64, fd, file->start.bytes, sizeof file->start.bytes, 0);
    if (got < 0)
        return got;
    file->size = (u32)got;
    memset(file->start.bytes + got, 0, sizeof file->start.bytes - (size_t)got);
    return 0;
}

bool elf_is_elf(const struct elf_file *file)
{
    return file->size >= 20 && !memcmp(file->start.bytes, "\177ELF", 4);
}

long elf_check(struct elf_file *file)
{
    const struct elf_header *header = &file->start.header;
    if (!elf_is_elf(file) || file->size < sizeof *header || header->ident[4] != ELF_CLASS_64 || header->machine != ELF_MACHINE)
        return -ENOEXEC;
    if (header->type != ET_EXEC && header->type != ET_DYN)
        return -ENOEXEC;
    if (header->phentsize != sizeof(struct elf_segment) || !header->phnum || header->phnum > SEGMENT_LIMIT)
        return -ENOEXEC;
    u64 size = header->phnum * sizeof(struct elf_segment);
    if (header->phoff <= file->size && size <= file->size - header->phoff && header->phoff % 8 == 0) {
        file->segments = (const struct elf_segment *)(file->start.bytes + header->phoff);
        return 0;
    }
    if (KERNEL(pread64, file->fd, file->more, size, header->phoff) != (long)size)
        return -ENOEXEC;
    file->segments = file->more;
    return 0;
}

long elf_interpreter(const struct elf_file *file, char *path)
{
    for (u16 i = 0; i < file->start.header.phnum; i++) {
        const struct elf_segment *segment = &file->segments[i];
        if (segment->type != PT_INTERP)
            continue;
        if (segment->filesz < 2 || segment->filesz > PATH_LIMIT)
            return -ENOEXEC;
        if (KERNEL(pread64, file->fd, path, segment->filesz, segment->offset) != (long)segment->filesz)
            return -ENOEXEC;
        return path[segment->filesz - 1] ? -ENOEXEC : 1;
    }
    return 0;
}

/* The note in launch/note.S, recognised by its text in the first kilobyte behind the segment table. */
bool elf_is_engine(const struct elf_file *file)
{
    static const char name[] = "sampan-intercept"; /* not the note's own bytes, which the file has only once */
    const struct elf_header *header = &file->start.header;
    if (header->type != ET_EXEC || header->entry < ENGINE_BASE || header->entry >= ENGINE_BASE + ENGINE_SPAN)
        return false;
    for (u16 i = 0; i < header->phnum; i++) {
        const struct elf_segment *segment = &file->segments[i];
        char note[12 + sizeof name];
        if (segment->type == PT_NOTE && KERNEL(pread64, file->fd, note, sizeof note, segment->offset) == (long)sizeof note)
            return !memcmp(note + 12, name, sizeof name);
    }
    return false;
}

static const struct {
    u16 machine;
    const char *name;
} machines[] = {
    {3, "i386"}, {8, "mips"}, {20, "ppc"}, {21, "ppc64"}, {22, "s390x"}, {40, "arm"}, {43, "sparc64"}, {62, "x86_64"}, {183, "aarch64"},
    {243, "riscv64"}, {258, "loongarch64"},
};

u32 elf_machine_number(const char *name, size_t length)
{
    for (size_t i = 0; i < LENGTH(machines); i++)
        if (strlen(machines[i].name) == length && !memcmp(machines[i].name, name, length))
            return machines[i].machine;
    return 0;
}

const char *elf_machine_name(const struct elf_file *file)
{
    if (file->start.header.machine == 62 && file->start.header.ident[4] == ELF_CLASS_32)
        return "x32";
    for (size_t i = 0; i < LENGTH(machines); i++)
        if (machines[i].machine == file->start.header.machine)
            return machines[i].name;
    return "another machine";
}
