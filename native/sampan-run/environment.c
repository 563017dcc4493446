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

/* Entries in the order in which their names came up, and a hash table to find them: batch systems set thousands of variables. An entry
 * without `=` is a variable that was removed again. */
struct environment {
    char **entries;
    size_t count;
    unsigned *slots; /* index of an entry + 1, or 0 */
    size_t mask;
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

/* The slot of the variable that `entry` begins with: where it is, or where it has to go. */
static unsigned *find(const struct environment *environment, const char *entry)
{
    size_t length = name_length(entry), at = 5381;
    for (size_t i = 0; i < length; i++)
        at = at * 33 + (unsigned char)entry[i];
    for (;; at++) {
        unsigned *slot = &environment->slots[at & environment->mask];
        const char *there = *slot == 0 ? NULL : environment->entries[*slot - 1];
        if (there == NULL || (name_length(there) == length && memcmp(there, entry, length) == 0))
            return slot;
    }
}

static void set(struct environment *environment, char *entry)
{
    unsigned *slot = find(environment, entry);
    if (*slot == 0)
        *slot = (unsigned)++environment->count;
    environment->entries[*slot - 1] = entry;
}

static void unset(struct environment *environment, char *name)
{
    const unsigned *slot = find(environment, name);
    if (*slot != 0)
        environment->entries[*slot - 1] = name;
}

static void drop_removed(struct environment *environment)
{
    size_t kept = 0;
    for (size_t i = 0; i < environment->count; i++) {
        if (strchr(environment->entries[i], '=') != NULL)
            environment->entries[kept++] = environment->entries[i];
    }
    environment->entries[kept] = NULL;
}

static void take(struct environment *environment, char **caller, const char *name, bool prefix)
{
    size_t length = strlen(name);
    for (; *caller != NULL; caller++) {
        size_t own = name_length(*caller);
        bool fits = (*caller)[own] == '=' && (prefix || own == length);
        if (fits && strncmp(*caller, name, length) == 0)
            set(environment, *caller);
    }
}

char **environment_make(const struct launch *launch, char **caller)
{
    size_t most = launch->count + count_of(caller);
    struct environment environment = {.entries = new_words(most), .mask = 1};
    while (environment.mask < 2 * most)
        environment.mask = 2 * environment.mask + 1;
    environment.slots = calloc(environment.mask + 1, sizeof *environment.slots);
    if (environment.slots == NULL)
        fail("out of memory");
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
            unset(&environment, word_of(field(record, 0)));
            break;
        default:
            break;
        }
    }
    drop_removed(&environment);
    return environment.entries;
}

char **environment_with(char **environment, char *variable)
{
    size_t length = name_length(variable), count = 0;
    char **all = new_words(count_of(environment) + 1);
    for (; *environment != NULL; environment++) {
        if (name_length(*environment) != length || memcmp(*environment, variable, length) != 0)
            all[count++] = *environment;
    }
    all[count] = variable;
    return all;
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
    if (end == all) {
        hint("name a program behind it");
        fail("it has no command of its own, and was given none");
    }
    return all;
}
