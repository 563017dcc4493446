#include "../kernel/message.h"
#include "../kernel/text.h"
#include "launch.h"

/* Length of NAME in NAME=VALUE. */
static size_t name_length(const char *variable)
{
    size_t length = 0;
    while (variable[length] && variable[length] != '=')
        length++;
    return length;
}

static u32 find_variable(const struct launch *launch, const char *name, size_t length)
{
    u32 i = 0;
    while (i < launch->variable_count && (name_length(launch->variables[i]) != length || memcmp(launch->variables[i], name, length)))
        i++;
    return i;
}

void set_variable(struct launch *launch, char *variable)
{
    u32 i = find_variable(launch, variable, name_length(variable));
    if (i == VARIABLE_LIMIT - 1)
        fail(STATUS_FAILED, "the environment has more than ", number_text(VARIABLE_LIMIT), " variables", NULL);
    launch->variables[i] = variable;
    if (i == launch->variable_count)
        launch->variable_count++;
}

void unset_variable(struct launch *launch, const char *name)
{
    u32 i = find_variable(launch, name, strlen(name));
    if (i == launch->variable_count)
        return;
    for (; i < launch->variable_count; i++)
        launch->variables[i] = launch->variables[i + 1];
    launch->variable_count--;
}

const char *get_variable(const struct launch *launch, const char *name)
{
    u32 i = find_variable(launch, name, strlen(name));
    return i == launch->variable_count ? NULL : launch->variables[i] + strlen(name) + 1;
}
