/* Strings are not copied: they stay in the launch file and in the caller's environment, both of which live until exec. */
#include "environment.h"

#include "message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* execve takes words that it could change, and changes none. */
static char *word_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

struct environment {
    char **entries;
    size_t count;
};

static size_t count_of(char **words)
{
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    return count;
}

static char **new_words(size_t count)
{
    char **words = calloc(count + 1, sizeof *words);
    if (words == NULL)
        fail("out of memory");
    return words;
}

static size_t name_length(const char *entry)
{
    return strcspn(entry, "=");
}

/* Where the variable of this name is, or `count`. */
static size_t find(const struct environment *environment, const char *name, size_t length)
{
    size_t i = 0;
    while (i < environment->count && !(strncmp(environment->entries[i], name, length) == 0 && environment->entries[i][length] == '='))
        i++;
    return i;
}

static void set(struct environment *environment, char *entry)
{
    size_t i = find(environment, entry, name_length(entry));
    environment->entries[i] = entry;
    environment->count += i == environment->count;
}

static void unset(struct environment *environment, const char *name)
{
    size_t i = find(environment, name, strlen(name));
    if (i == environment->count)
        return;
    memmove(&environment->entries[i], &environment->entries[i + 1], (environment->count - i) * sizeof *environment->entries);
    environment->count--;
}

static void take(struct environment *environment, char **caller, const char *name, bool prefix)
{
    size_t length = strlen(name);
    for (; *caller != NULL; caller++) {
        size_t own = name_length(*caller);
        if (strncmp(*caller, name, length) == 0 && (prefix ? own > 0 && (*caller)[own] == '=' : own == length && (*caller)[own] == '='))
            set(environment, *caller);
    }
}

char **environment_make(const struct launch *launch, char **caller)
{
    struct environment environment = {.entries = new_words(launch->count + count_of(caller) + 1)};
    for (unsigned i = 0; i < launch->count; i++) {
        const struct record *record = &launch->records[i];
        switch (record->kind->name) {
        case ENV:
            set(&environment, word_of(field(record, 0)));
            break;
        case ENV_FROM:
            take(&environment, caller, field(record, 0), false);
            break;
        case ENV_PREFIX:
            take(&environment, caller, field(record, 0), true);
            break;
        case ENV_UNSET:
            unset(&environment, field(record, 0));
            break;
        default:
            break;
        }
    }
    return environment.entries;
}

const char *environment_value(char **environment, const char *name)
{
    size_t length = strlen(name);
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    }
    return NULL;
}

char **arguments_make(const struct launch *launch, char **words)
{
    const struct record *exec = record_of(launch, EXEC), *args = record_of(launch, ARGS), *word = NULL;
    const char *mode = args == NULL ? "append" : field(args, 0);
    size_t given = count_of(words);
    char **all = new_words(exec->count + launch->count + given);
    char **end = all;
    if (given > 0 && strcmp(mode, "refuse") == 0)
        fail("it takes no arguments, and was given \"%s\"", words[0]);
    const char *text = exec->fields;
    for (unsigned i = 0; i < exec->count; i++, text = string_after(text))
        *end++ = word_of(text);
    while ((given == 0 || strcmp(mode, "replace") != 0) && (word = next_record_of(launch, word, DEFAULT_ARG)) != NULL)
        *end++ = word_of(field(word, 0));
    while (*words != NULL)
        *end++ = *words++;
    return all;
}
