/* Prints a call and its result, to be compared with another run: `EXPRESSION = RESULT`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int last;

static long show(const char *text, long result)
{
    int error = errno;
    if (result == -1)
        printf("%s = -%d %s\n", text, error, strerror(error));
    else
        printf("%s = %ld\n", text, result);
    last = (int)result;
    return result;
}

#define T(call) show(#call, (long)(call))
/* Opens, shows the number, closes. */
#define O(call)                       \
    do {                              \
        if (show(#call, (call)) >= 0) \
            close(last);              \
    } while (0)
