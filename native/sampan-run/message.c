/* Messages are built in one buffer and written by one call, so that the lines of many ranks on one stderr do not mix.
 * Names come from launch files and images, so control characters are escaped: a name must not steer the terminal. */
#include "message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *subject;
static char way_on[1024];
static int output = STDERR_FILENO;
static void (*last)(int status, const char *text);

void message_subject(const char *image)
{
    subject = image;
}

void message_output(int fd)
{
    output = fd;
}

void message_last(void (*call)(int status, const char *text))
{
    last = call;
}

void hint(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(way_on, sizeof way_on, format, arguments);
    va_end(arguments);
}

/* Appends `text` to the line at `end`, control characters as \xNN; the new end. */
static char *append(char *end, const char *limit, const char *text)
{
    for (; *text != '\0' && limit - end > 6; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != 0x7f)
            *end++ = (char)c;
        else
            end += snprintf(end, 5, "\\x%02x", c);
    }
    return end;
}

/* Writes the line; the sentence alone, with its end and hint. */
static const char *print(const char *front, const char *sentence, const char *back)
{
    static char line[12000];
    const char *limit = line + sizeof line - 1;
    char *end = append(line, limit, "sampan: ");
    if (subject != NULL) {
        end = append(end, limit, front);
        end = append(end, limit, subject);
        end = append(end, limit, ": ");
    }
    const char *alone = end;
    end = append(end, limit, sentence);
    if (back != NULL) {
        end = append(end, limit, ": ");
        end = append(end, limit, back);
    }
    *end++ = '\n';
    if (way_on[0] != '\0') {
        end = append(end, limit, "hint: ");
        end = append(end, limit, way_on);
        *end++ = '\n';
    }
    *end = '\0';
    if (output >= 0 && write(output, line, (size_t)(end - line)) < 0)
        output = -1; /* nobody can be told */
    return alone;
}

static _Noreturn LIKE_PRINTF(2, 0) void finish(int status, const char *format, va_list arguments, const char *back)
{
    static char sentence[9000]; /* two paths and words */
    vsnprintf(sentence, sizeof sentence, format, arguments);
    const char *alone = print("cannot start ", sentence, back);
    if (last != NULL)
        last(status, alone);
    exit(status);
}

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    finish(EXIT_FAILED, format, arguments, NULL);
}

void fail_errno(const char *format, ...)
{
    const char *words = strerror(errno);
    va_list arguments;
    va_start(arguments, format);
    finish(EXIT_FAILED, format, arguments, words);
}

void fail_status(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    finish(status, format, arguments, NULL);
}

void message_of(const char *text)
{
    static const char HINT[] = "\nhint: ";
    char sentence[9000];
    size_t length = strcspn(text, "\n");
    snprintf(sentence, sizeof sentence, "%.*s", (int)length, text);
    way_on[0] = '\0';
    if (strncmp(text + length, HINT, sizeof HINT - 1) == 0) {
        text += length + sizeof HINT - 1;
        hint("%.*s", (int)strcspn(text, "\n"), text);
    }
    print("cannot start ", sentence, NULL);
}

void notice(const char *format, ...)
{
    static char sentence[9000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    way_on[0] = '\0';
    print("", sentence, NULL);
}
