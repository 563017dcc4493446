/* A line is `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS ...`, blanks and the like in paths written as \ooo. */
#include "mountinfo.h"

#include "descriptor.h"

#include <errno.h>
#include <string.h>

char *mountinfo_read(void)
{
    static char text[8 << 20]; /* 100,000 mounts, the kernel's limit, of 80 bytes */
    CLOSING int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && length < sizeof text - 1) {
        got = read(fd, text + length, sizeof text - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    text[length] = '\0';
    if (got > 0)
        errno = EOVERFLOW;
    return got == 0 ? text : NULL;
}

static void unescape(char *text)
{
    char *to = text;
    for (; *text != '\0'; to++) {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] != '\0' && text[3] != '\0') {
            *to = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 4;
        } else {
            *to = *text++;
        }
    }
    *to = '\0';
}

char *mountinfo_next(char **at)
{
    char *point = *at;
    if (*point == '\0')
        return NULL;
    char *end = strchr(point, '\n');
    *at = end == NULL ? point + strlen(point) : end + 1;
    for (int word = 0; word < 4; word++) {
        point += strcspn(point, " \n");
        point += *point == ' ';
    }
    point[strcspn(point, " \n")] = '\0';
    unescape(point);
    return point;
}
