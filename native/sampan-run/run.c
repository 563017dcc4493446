/* execve, and the reason when it fails. The kernel's "No such file or directory" for a program that is there, because its script
 * interpreter or its ELF loader is missing, is what people stumble over most: so all three are looked at. */
#include "process.h"

#include "descriptor.h"
#include "environment.h"
#include "message.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#if defined __x86_64__
enum { OWN_MACHINE = EM_X86_64 };
#elif defined __aarch64__
enum { OWN_MACHINE = EM_AARCH64 };
#elif defined __powerpc64__
enum { OWN_MACHINE = EM_PPC64 };
#elif defined __riscv
enum { OWN_MACHINE = 243 };
#elif defined __s390x__
enum { OWN_MACHINE = EM_S390 };
#else
enum { OWN_MACHINE = EM_NONE };
#endif

static const char *where = "inside"; /* that things are missing */
static const char DEFAULT_PATH[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *machine_name(unsigned machine)
{
    static const struct {
        unsigned machine;
        const char *name;
    } NAMES[] = {{EM_386, "i386"}, {EM_X86_64, "x86_64"}, {EM_ARM, "arm"}, {EM_AARCH64, "aarch64"}, {EM_PPC64, "ppc64"},
                 {EM_S390, "s390x"}, {243, "riscv"}, {EM_MIPS, "mips"}};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (NAMES[i].machine == machine)
            return NAMES[i].name;
    }
    return "another machine";
}

/* Is the helper program at `path`, which `of` needs, the reason? Ends the program if so. */
static void blame(const char *of, const char *what, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        size_t length = strlen(path);
        if (length > 0 && path[length - 1] == '\r')
            hint("the file has the line ends of Windows; `sed -i 's/\\r$//'` takes them away");
        fail_status(EXIT_NOT_FOUND, "%s %s of %s does not exist %s", what, path, of, where);
    }
    if (access(path, X_OK) != 0)
        fail_status(EXIT_NOT_EXECUTABLE, "%s %s of %s cannot be run: %s", what, path, of, strerror(errno));
}

static void blame_script(const char *path, char *text)
{
    char *interpreter = text + 2 + strspn(text + 2, " \t");
    interpreter[strcspn(interpreter, " \t\n")] = '\0';
    if (*interpreter == '\0')
        fail_status(EXIT_NOT_EXECUTABLE, "%s begins with #! and names no interpreter", path);
    blame(path, "the interpreter", interpreter);
}

/* A number of the header or of a segment: `wide` bytes at `at`, in this machine's order. */
static uint64_t number_at(const char *bytes, size_t at, size_t wide)
{
    uint64_t eight;
    uint32_t four;
    uint16_t two;
    switch (wide) {
    case 8:
        memcpy(&eight, bytes + at, sizeof eight);
        return eight;
    case 4:
        memcpy(&four, bytes + at, sizeof four);
        return four;
    default:
        memcpy(&two, bytes + at, sizeof two);
        return two;
    }
}

/* The loader that a program of either word size names in its PT_INTERP segment. */
static void blame_loader(int fd, const char *path, const char *text)
{
    bool wide = text[EI_CLASS] == ELFCLASS64;
    size_t size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr), word = wide ? 8 : 4;
    uint64_t table = number_at(text, wide ? offsetof(Elf64_Ehdr, e_phoff) : offsetof(Elf32_Ehdr, e_phoff), word);
    uint64_t count = number_at(text, wide ? offsetof(Elf64_Ehdr, e_phnum) : offsetof(Elf32_Ehdr, e_phnum), 2);
    for (uint64_t i = 0; i < count && i < 64; i++) {
        char segment[sizeof(Elf64_Phdr)], loader[MAX_PATH];
        if (pread(fd, segment, size, (off_t)(table + i * size)) != (ssize_t)size)
            return;
        uint64_t length = number_at(segment, wide ? offsetof(Elf64_Phdr, p_filesz) : offsetof(Elf32_Phdr, p_filesz), word);
        uint64_t at = number_at(segment, wide ? offsetof(Elf64_Phdr, p_offset) : offsetof(Elf32_Phdr, p_offset), word);
        if (number_at(segment, 0, 4) != PT_INTERP || length == 0 || length >= sizeof loader)
            continue;
        if (pread(fd, loader, length, (off_t)at) != (ssize_t)length)
            return;
        loader[length] = '\0';
        blame(path, "the ELF loader", loader);
    }
}

static void blame_program(int fd, const char *path, const char *text)
{
    unsigned machine = (unsigned)number_at(text, offsetof(Elf64_Ehdr, e_machine), 2); /* at the same place in both sizes */
    bool own = machine == OWN_MACHINE || (OWN_MACHINE == EM_X86_64 && machine == EM_386);
    if (OWN_MACHINE != EM_NONE && !own) {
        hint("choose the image's variant for this machine with --platform");
        fail_status(EXIT_NOT_EXECUTABLE, "%s is a program for %s, and this machine is %s", path, machine_name(machine),
                    machine_name(OWN_MACHINE));
    }
    blame_loader(fd, path, text);
}

static void blame_content(const char *path, int error)
{
    char text[257] = "";
    CLOSING int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length < 0)
        return;
    if (length >= 2 && memcmp(text, "#!", 2) == 0)
        blame_script(path, text);
    else if (length >= (ssize_t)sizeof(Elf32_Ehdr) && memcmp(text, ELFMAG, SELFMAG) == 0)
        blame_program(fd, path, text);
    else if (error == ENOEXEC)
        fail_status(EXIT_NOT_EXECUTABLE, "%s is neither a program nor a script that begins with #!", path);
}

static _Noreturn void explain(const char *path, int error)
{
    struct stat st;
    struct statvfs fs;
    if (error == E2BIG)
        fail_status(EXIT_NOT_EXECUTABLE, "the arguments and the environment of %s are longer than the kernel takes", path);
    if (stat(path, &st) != 0) {
        char text[MAX_PATH];
        ssize_t length = readlink(path, text, sizeof text - 1);
        if (errno != ENOENT && errno != ENOTDIR && length < 0)
            fail_status(EXIT_NOT_EXECUTABLE, "%s cannot be run: %s", path, strerror(errno));
        if (length < 0)
            fail_status(EXIT_NOT_FOUND, "there is no program %s %s", path, where);
        text[length] = '\0';
        fail_status(EXIT_NOT_FOUND, "%s is a link to %s, which does not exist %s", path, text, where);
    }
    if (S_ISDIR(st.st_mode))
        fail_status(EXIT_NOT_EXECUTABLE, "%s is a directory", path);
    if (!S_ISREG(st.st_mode))
        fail_status(EXIT_NOT_EXECUTABLE, "%s is not a regular file", path);
    if (error == EACCES && statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
        fail_status(EXIT_NOT_EXECUTABLE, "%s lies on a file system that is mounted noexec", path);
    if (error == EACCES && access(path, X_OK) != 0)
        fail_status(EXIT_NOT_EXECUTABLE, "%s is not executable (its mode is %04o)", path, (unsigned)(st.st_mode & 07777));
    blame_content(path, error);
    fail_status(EXIT_NOT_EXECUTABLE, "%s cannot be run: %s", path, strerror(error));
}

/* The next directory of a PATH at `*list`, and `word` in it; an empty one is the current directory. False at the end. */
static bool next_candidate(const char **list, const char *word, char *path, size_t size)
{
    if (*list == NULL)
        return false;
    size_t length = strcspn(*list, ":");
    const char *between = length == 0 ? "./" : (*list)[length - 1] == '/' ? "" : "/";
    int needed = snprintf(path, size, "%.*s%s%s", (int)length, *list, between, word);
    if (needed < 0 || (size_t)needed >= size)
        path[0] = '\0';
    *list = (*list)[length] == ':' ? *list + length + 1 : NULL;
    return true;
}

void process_run(char **words, char **environment, bool outside)
{
    static char path[2 * MAX_PATH], denied[2 * MAX_PATH];
    const char *word = words[0], *list = environment_value(environment, "PATH");
    if (outside)
        where = "on this machine";
    if (*word == '\0')
        fail_status(EXIT_NOT_FOUND, "the name of the program is empty");
    if (strchr(word, '/') != NULL) {
        execve(word, words, environment);
        explain(word, errno);
    }
    const char *searched = list = list == NULL ? DEFAULT_PATH : list;
    while (next_candidate(&list, word, path, sizeof path)) {
        struct stat st;
        if (path[0] == '\0' || stat(path, &st) != 0)
            continue;
        if (S_ISREG(st.st_mode)) {
            execve(path, words, environment);
            /* What may not be run does not hide a program of the same name further on, as in every shell. */
            if (errno != EACCES)
                explain(path, errno);
        }
        if (denied[0] == '\0')
            strcpy(denied, path);
    }
    if (denied[0] != '\0')
        explain(denied, EACCES);
    fail_status(EXIT_NOT_FOUND, "there is no program \"%s\" %s in any directory of PATH (%s)", word, where, searched);
}
