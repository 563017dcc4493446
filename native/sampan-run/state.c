/* Files are written under another name and renamed, so a reader finds the old content or the new one. They are not synced: what a
 * crash of the machine takes is known by the boot id. */
#include "state.h"

#include "descriptor.h"
#include "enter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(text->bytes + text->length, sizeof text->bytes - text->length, format, arguments);
    va_end(arguments);
    if (more > 0 && (size_t)more < sizeof text->bytes - text->length)
        text->length += (size_t)more;
    else
        text->bytes[text->length] = '\0';
}

/* The length of the UTF-8 character at `bytes`; 0 if there is none. */
static size_t character_length(const unsigned char *bytes, size_t left)
{
    static const struct {
        unsigned char mask, value, lowest, highest; /* of the first byte; bounds of the second */
        size_t length;
    } FORMS[] = {{0xff, 0xe0, 0xa0, 0xbf, 3}, {0xff, 0xed, 0x80, 0x9f, 3}, {0xff, 0xf0, 0x90, 0xbf, 4}, {0xff, 0xf4, 0x80, 0x8f, 4},
                 {0xff, 0xc0, 1, 0, 2},       {0xff, 0xc1, 1, 0, 2},       {0xe0, 0xc0, 0x80, 0xbf, 2}, {0xf0, 0xe0, 0x80, 0xbf, 3},
                 {0xfc, 0xf0, 0x80, 0xbf, 4}};
    if (bytes[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        if ((bytes[0] & FORMS[i].mask) != FORMS[i].value)
            continue;
        if (left < FORMS[i].length || bytes[1] < FORMS[i].lowest || bytes[1] > FORMS[i].highest)
            return 0;
        for (size_t j = 2; j < FORMS[i].length; j++) {
            if ((bytes[j] & 0xc0) != 0x80)
                return 0;
        }
        return FORMS[i].length;
    }
    return 0;
}

void text_add_string(struct text *text, const char *bytes, size_t length)
{
    text_add(text, "\"");
    for (size_t at = 0; at < length;) {
        unsigned char c = (unsigned char)bytes[at];
        size_t size = character_length((const unsigned char *)bytes + at, length - at);
        if (size == 0)
            text_add(text, "\\ufffd");
        else if (c == '\n')
            text_add(text, "\\n");
        else if (c < 0x20 || c == 0x7f)
            text_add(text, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            text_add(text, "\\%c", c);
        else
            text_add(text, "%.*s", (int)size, bytes + at);
        at += size == 0 ? 1 : size;
    }
    text_add(text, "\"");
}

void text_add_moment(struct text *text, struct timespec moment)
{
    struct tm fields;
    if (moment.tv_sec == 0 || gmtime_r(&moment.tv_sec, &fields) == NULL) {
        text_add(text, "null");
        return;
    }
    text_add(text, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\"", fields.tm_year + 1900, fields.tm_mon + 1, fields.tm_mday,
             fields.tm_hour, fields.tm_min, fields.tm_sec, moment.tv_nsec / 1000000);
}

struct timespec moment_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

unsigned long long state_start_time(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    CLOSING int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return process < 0 ? 0 : enter_start_time(process);
}

bool state_write(int directory, const char *name, const struct text *text)
{
    char temporary[64];
    if (directory < 0)
        return true;
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    CLOSING int fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    ssize_t wrote = write(fd, text->bytes, text->length);
    if (wrote != (ssize_t)text->length) {
        errno = wrote < 0 ? errno : ENOSPC;
        return false;
    }
    return renameat(directory, temporary, directory, name) == 0;
}

void state_payload(struct text *text, pid_t pid, unsigned long long start)
{
    char boot[64] = "unknown", node[256] = "unknown";
    CLOSING int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, boot, sizeof boot - 1);
    if (length > 0)
        boot[length - (boot[length - 1] == '\n')] = '\0';
    gethostname(node, sizeof node - 1);
    text->length = 0;
    text_add(text, "{\"format\":1,\"pid\":%d,\"start\":%llu,\"boot\":", (int)pid, start);
    text_add_string(text, boot, strlen(boot));
    text_add(text, ",\"node\":");
    text_add_string(text, node, strlen(node));
    text_add(text, ",\"watcher\":{\"pid\":%d,\"start\":%llu}}\n", (int)getpid(), state_start_time(getpid()));
}

void state_exit(struct text *text, const struct outcome *outcome)
{
    text->length = 0;
    text_add(text, "{\"format\":1,\"pid\":%d,\"start\":%llu,\"status\":%d,\"signal\":", (int)outcome->pid, outcome->start, outcome->status);
    if (outcome->signal == 0)
        text_add(text, "null");
    else
        text_add(text, "%d", outcome->signal);
    text_add(text, ",\"reason\":\"%s\",\"message\":", outcome->reason);
    if (outcome->message == NULL)
        text_add(text, "null");
    else
        text_add_string(text, outcome->message, strlen(outcome->message));
    text_add(text, ",\"started\":");
    text_add_moment(text, outcome->started);
    text_add(text, ",\"finished\":");
    text_add_moment(text, outcome->finished);
    text_add(text, "}\n");
}
