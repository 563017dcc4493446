#include <stdarg.h>

#include "calls.h"
#include "message.h"
#include "text.h"

#define LINE 4608

static const char *subject_text HOT, *hint_text HOT;
static int told HOT; /* instead of stderr; 0: nobody */

void message_subject(const char *subject)
{
    subject_text = subject;
}

void message_to(int fd)
{
    told = fd;
}

void message_hint(const char *hint)
{
    hint_text = hint;
}

/* Names come from images and launch files: control characters are escaped, so that none can steer a terminal. */
static size_t append(char *line, size_t used, const char *text)
{
    for (; *text && used < LINE - 8; text++) {
        u8 c = (u8)*text;
        if (c >= ' ' && c != 127) {
            line[used++] = (char)c;
            continue;
        }
        line[used++] = '\\';
        line[used++] = 'x';
        line[used++] = "0123456789abcdef"[c >> 4];
        line[used++] = "0123456789abcdef"[c & 15];
    }
    return used;
}

static void write_line(int fd, const char *first, va_list texts)
{
    char line[LINE];
    size_t used = fd == 2 ? append(line, 0, "sampan: ") : 0;
    if (subject_text && fd == 2)
        used = append(line, append(line, append(line, used, "cannot start "), subject_text), ": ");
    for (const char *text = first; text; text = va_arg(texts, const char *))
        used = append(line, used, text);
    line[used++] = '\n';
    if (hint_text) {
        used = append(line, append(line, used, "hint: "), hint_text);
        line[used++] = '\n';
        hint_text = NULL;
    }
    KERNEL(write, fd, line, used);
}

void message(const char *first, ...)
{
    va_list texts;
    va_start(texts, first);
    write_line(2, first, texts);
    va_end(texts);
}

void fail(int status, const char *first, ...)
{
    va_list texts;
    va_start(texts, first);
    write_line(told ? told : 2, first, texts);
    va_end(texts);
    for (;;)
        KERNEL(exit_group, status);
}

const char *error_words(long error)
{
    static const struct {
        i32 number;
        const char *words;
    } table[] = {
        {EPERM, "operation not permitted"}, {ENOENT, "no such file or directory"}, {E2BIG, "argument list too long"},
        {ENOEXEC, "not a program this machine can run"}, {EBADF, "bad file descriptor"}, {EAGAIN, "resource temporarily unavailable"},
        {ENOMEM, "out of memory"}, {EACCES, "permission denied"}, {EFAULT, "bad address"}, {EBUSY, "device or resource busy"},
        {EEXIST, "file exists"}, {EXDEV, "on another file system"}, {ENOTDIR, "not a directory"}, {EISDIR, "is a directory"},
        {EINVAL, "invalid argument"}, {EMFILE, "too many open files"}, {ETXTBSY, "text file busy"}, {ENOSPC, "no space left on device"},
        {EROFS, "read-only file system"}, {ENAMETOOLONG, "file name too long"}, {ENOSYS, "not provided by this kernel"},
        {ELOOP, "too many levels of symbolic links"}, {ELIBBAD, "a needed library is damaged"},
    };
    i32 positive = (i32)(error < 0 ? -error : error);
    for (size_t i = 0; i < LENGTH(table); i++)
        if (table[i].number == positive)
            return table[i].words;
    return number_text((u64)positive);
}

const char *number_text(u64 value)
{
    static char texts[4][24];
    static unsigned next;
    char *text = texts[next++ & 3];
    put_number(text, value);
    return text;
}
