/* Reading and taking apart. The grammar is in docs/design/launch-file.md; a file that breaks it anywhere is refused whole,
 * because a plan that is half carried out is worse than none. Returns faults instead of ending the program, so that the
 * fuzz target can call it a million times. */
#include "launch.h"

#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool launch_refuse(struct launch *launch, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(launch->fault, sizeof launch->fault, format, arguments);
    va_end(arguments);
    return false;
}

bool launch_read(struct launch *launch, int fd)
{
    launch->length = 0;
    for (;;) {
        size_t room = MAX_BYTES + 1 - launch->length;
        ssize_t got = room == 0 ? 0 : read(fd, launch->bytes + launch->length, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        launch->length += (size_t)got;
    }
    errno = 0;
    return launch->length <= MAX_BYTES || launch_refuse(launch, "it is longer than 8 MiB");
}

const char *string_after(const char *text)
{
    return text + strlen(text) + 1;
}

const char *field(const struct record *record, unsigned index)
{
    const char *text = record->fields;
    while (index-- > 0)
        text = string_after(text);
    return text;
}

const struct record *next_record_of(const struct launch *launch, const struct record *record, enum record_name name)
{
    const struct record *end = launch->records + launch->count;
    for (record = record == NULL ? launch->records : record + 1; record < end; record++) {
        if (record->kind->name == name)
            return record;
    }
    return NULL;
}

const struct record *record_of(const struct launch *launch, enum record_name name)
{
    return next_record_of(launch, NULL, name);
}

/* The header: any lines, the last of them the name and number of the format. Sets `rest` to what follows its NUL. */
static bool read_header(struct launch *launch, const char **rest)
{
    static const char NAME[] = "sampan-launch ";
    const char *end = memchr(launch->bytes, '\0', launch->length);
    if (end == NULL)
        return launch_refuse(launch, "it is not a launch file: it has no header");
    const char *newline = memrchr(launch->bytes, '\n', (size_t)(end - launch->bytes));
    const char *line = newline == NULL ? launch->bytes : newline + 1;
    if (strncmp(line, NAME, sizeof NAME - 1) != 0)
        return launch_refuse(launch, "it is not a launch file: its header does not end with \"sampan-launch 1\"");
    if (strcmp(line + sizeof NAME - 1, "1") != 0)
        return launch_refuse(launch, "it is of format %.20s, and this sampan-run reads format 1", line + sizeof NAME - 1);
    *rest = end + 1;
    return true;
}

/* The string at `*at`, which moves behind its NUL; NULL at the end of the file. The NUL behind all bytes makes every string
 * end; one that ends only there is cut. */
static const char *next_string(const char **at, const char *end)
{
    const char *text = *at;
    if (text >= end)
        return NULL;
    *at = string_after(text);
    return *at <= end ? text : NULL;
}

static bool read_count(const char *text, unsigned *count)
{
    unsigned value = 0;
    if (*text == '\0' || strlen(text) > 7)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *count = value;
    return true;
}

static bool is_relative(const struct field_rule *rule, const char *text)
{
    return (rule->type == FIELD_HOST || rule->type == FIELD_HOST_OR_NONE) && *text != '/' && *text != '\0';
}

static bool read_record(struct launch *launch, const char **at, const char *end)
{
    unsigned number = launch->count + 1;
    struct record *record = &launch->records[launch->count];
    const char *name = next_string(at, end);
    if (name == NULL)
        return launch_refuse(launch, "it is cut off in record %u", number);
    record->kind = record_kind(name);
    if (record->kind == NULL)
        return launch_refuse(launch, "record %u, \"%.40s\", is unknown to this sampan-run", number, name);
    const char *count = next_string(at, end);
    if (count == NULL)
        return launch_refuse(launch, "it is cut off in record %u, \"%s\"", number, name);
    if (!read_count(count, &record->count))
        return launch_refuse(launch, "record %u, \"%s\": \"%.40s\" is no number of fields", number, name, count);
    int right = record->kind->count;
    bool open = right < 0; /* more may stand behind them */
    unsigned lowest = (unsigned)(open ? -1 - right : right);
    if (open ? record->count < lowest : record->count != lowest)
        return launch_refuse(launch, "record %u, \"%s\", has %u fields instead of %s%u", number, name, record->count,
                             open ? "at least " : "", lowest);
    record->fields = *at;
    record->source = -1;
    for (unsigned i = 0; i < record->count; i++) {
        static const struct field_rule ANY = {FIELD_TEXT, NULL};
        const char *text = next_string(at, end);
        if (text == NULL)
            return launch_refuse(launch, "it is cut off in record %u, \"%s\"", number, name);
        const struct field_rule *rule = i < MAX_FIELDS ? &record->kind->fields[i] : &ANY;
        const char *fault = field_fault(rule, text, launch->may_be_relative);
        if (fault != NULL && record->kind->name != LATER)
            return launch_refuse(launch, "record %u, \"%s\": \"%.200s\" %s", number, name, text, fault);
        launch->is_relative |= is_relative(rule, text);
    }
    launch->count++;
    return true;
}

bool launch_check(struct launch *launch)
{
    const char *end = launch->bytes + launch->length;
    const char *at = NULL;
    launch->bytes[launch->length] = '\0';
    launch->count = 0;
    launch->is_relative = false;
    if (!read_header(launch, &at))
        return false;
    while (at < end) {
        if (launch->count == MAX_RECORDS)
            return launch_refuse(launch, "it has more than 65,536 records");
        if (!read_record(launch, &at, end))
            return false;
    }
    return check_records(launch);
}

void launch_forget(struct launch *launch)
{
    uintptr_t page = 4096, begin = ((uintptr_t)launch->records + page - 1) & ~(page - 1);
    launch->count = 0;
    madvise((void *)begin, ((uintptr_t)launch + sizeof *launch - begin) & ~(page - 1), MADV_DONTNEED);
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* In quotes if need be; with $'..' if there are control characters, so that a record stays one line and cannot steer a terminal. */
static void print_word(const char *word, FILE *stream)
{
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    bool control = false;
    for (const char *c = word; *c != '\0'; c++)
        control |= is_control(*c);
    if (*word != '\0' && word[strspn(word, PLAIN)] == '\0') {
        fputs(word, stream);
        return;
    }
    fputs(control ? "$'" : "'", stream);
    for (; *word != '\0'; word++) {
        if (is_control(*word))
            fprintf(stream, "\\%03o", (unsigned)(unsigned char)*word);
        else if (control && (*word == '\'' || *word == '\\'))
            fprintf(stream, "\\%c", *word);
        else if (*word == '\'')
            fputs("'\\''", stream);
        else
            fputc(*word, stream);
    }
    fputc('\'', stream);
}

void launch_print(const struct launch *launch, FILE *stream)
{
    for (unsigned i = 0; i < launch->count; i++) {
        const struct record *record = &launch->records[i];
        const char *text = record->fields;
        fputs(record->kind->text, stream);
        for (unsigned j = 0; j < record->count; j++, text = string_after(text)) {
            fputc(' ', stream);
            print_word(text, stream);
        }
        fputc('\n', stream);
    }
}
