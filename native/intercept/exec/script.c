#include "script.h"

#include "../kernel/abi.h"
#include "../kernel/text.h"

#define LINE_LIMIT 256

bool script_has_line(const u8 *start)
{
    return start[0] == '#' && start[1] == '!';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

long script_parse(char *start, const char **interpreter, const char **argument)
{
    char *end = start + 2, *limit = start + LINE_LIMIT;
    while (end < limit && *end && *end != '\n')
        end++;
    if (end == limit) { /* cut off: fine for an argument, not for the interpreter's name */
        char *name = start + 2;
        while (name < limit && is_blank(*name))
            name++;
        while (name < limit && !is_blank(*name))
            name++;
        if (name == limit)
            return -ENOEXEC;
        end = limit - 1;
    }
    while (end > start + 2 && is_blank(end[-1]))
        end--;
    *end = 0;
    char *at = start + 2;
    while (is_blank(*at))
        at++;
    if (!*at)
        return -ENOEXEC;
    *interpreter = at;
    while (*at && !is_blank(*at))
        at++;
    *argument = NULL;
    if (*at) {
        *at++ = 0;
        while (is_blank(*at))
            at++;
        if (*at)
            *argument = at;
    }
    return 0;
}

/* The first line met adds: interpreter [argument] script. One more in front: its interpreter [argument] in place of the inner
 * interpreter's name as argv[0], which becomes the script it runs: the same word. */
void script_add(const char **words, int *count, const char *script, const char *interpreter, const char *argument)
{
    int added = argument ? 2 : 1, old = *count ? *count : 1;
    if (!*count)
        words[0] = script;
    for (int i = old; i-- > 0;)
        words[i + added] = words[i];
    words[0] = interpreter;
    if (argument)
        words[1] = argument;
    *count = old + added;
}
