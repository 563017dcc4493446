/* Theory of operation: input is cut into records, `TIME STREAM F|P TEXT` and a newline, in one buffer, which is written when a batch of
 * input is done or it is full; all records of a batch have the time at which it was read. Only what has no newline yet is copied aside,
 * for its stream, until the newline comes, or it is as long as a record may be, or it has waited long enough (a prompt).
 *
 * A file changes only between two records. A record that would make it too long goes into the next one.
 *
 * Rejected: writev with the input as it is. Two parts a line cost the kernel more than the copy; and a log line of 40 bytes more than
 * the payload's cannot be saved by not touching the payload's. */
#include "log.h"

#include "descriptor.h"
#include "message.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LONGEST = 16384,  /* of the text of a record */
    PREFIX = 40,      /* "2026-11-25T00:17:09.669794202Z stdout F " */
    BUFFER = 131072,
    PATIENCE = 200,   /* milliseconds that a line without an end waits */
};

static int directory = -1, file = -1;
static unsigned long long most, size; /* of the file */
static unsigned files;
static unsigned long long lost; /* bytes that could not be written */
static int lost_error;

static char buffer[BUFFER + LOG_SLACK];
static size_t filled;
static char prefix[PREFIX + LOG_SLACK]; /* of the records of this batch */

static struct {
    size_t length;
    int64_t since;
    char text[LONGEST + LOG_SLACK];
} waiting[STREAMS];

static void open_file(void)
{
    struct stat st;
    file = openat(directory, "log", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    size = file >= 0 && fstat(file, &st) == 0 ? (unsigned long long)st.st_size : 0;
}

void log_open(int in, unsigned long long at_most, unsigned kept)
{
    directory = in;
    most = at_most;
    files = kept;
    open_file();
    if (file < 0)
        fail_errno("cannot open its log");
}

static void new_batch(void)
{
    static time_t second;
    struct timespec now;
    struct tm fields;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second && gmtime_r(&now.tv_sec, &fields) != NULL) {
        snprintf(prefix, sizeof prefix, "%04d-%02d-%02dT%02d:%02d:%02d.", (fields.tm_year + 1900) % 10000, fields.tm_mon + 1,
                 fields.tm_mday, fields.tm_hour, fields.tm_min, fields.tm_sec);
        second = now.tv_sec;
    }
    snprintf(prefix + 20, sizeof prefix - 20, "%09ldZ stdout F ", now.tv_nsec);
}

/* Writes the buffer. Records that cannot be written are lost, and counted; none stays by halves. */
static void flush(void)
{
    size_t done = 0;
    while (done < filled) {
        ssize_t wrote = file < 0 ? -1 : write(file, buffer + done, filled - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            break;
        done += (size_t)wrote;
    }
    if (done < filled) {
        const char *end = memrchr(buffer, '\n', done);
        size_t kept = end == NULL ? 0 : (size_t)(end + 1 - buffer);
        lost_error = errno;
        lost += filled - kept;
        if (kept == done || ftruncate(file, (off_t)(size + kept)) == 0)
            done = kept;
    }
    size += done;
    filled = 0;
}

/* log.1 becomes log.2 and so on; with one file alone it begins anew. */
static void rotate(void)
{
    char older[32], newer[32];
    flush();
    if (files == 1) {
        if (file >= 0 && ftruncate(file, 0) == 0)
            size = 0;
        return;
    }
    /* Never over an existing name: ext4 would begin to write the renamed file to the disk, and make this wait for it. */
    snprintf(older, sizeof older, "log.%u", files - 1);
    unlinkat(directory, older, 0);
    for (unsigned i = files - 1; i > 0; i--) {
        snprintf(older, sizeof older, "log.%u", i);
        snprintf(newer, sizeof newer, i == 1 ? "log" : "log.%u", i - 1);
        renameat(directory, newer, directory, older);
    }
    if (file >= 0)
        close(file);
    open_file();
}

/* Lines are short: in steps of fixed size, which need no call and no set-up, this takes half the time of memcpy. Up to LOG_SLACK
 * bytes behind both ends are touched. */
static void copy(char *to, const char *from, size_t length)
{
    for (size_t at = 0; at < length; at += LOG_SLACK)
        __builtin_memcpy(to + at, from + at, LOG_SLACK);
}

/* One record; `part`: its line goes on. */
static void put(enum stream stream, const char *text, size_t length, bool part)
{
    size_t whole = PREFIX + length + 1;
    if (size + filled > 0 && size + filled + whole > most)
        rotate();
    if (filled + whole > BUFFER)
        flush();
    char *at = buffer + filled;
    copy(at, prefix, PREFIX);
    if (stream != STREAM_OUT)
        memcpy(at + 31, "stderr", 6);
    if (part)
        at[38] = 'P';
    copy(at + PREFIX, text, length);
    at[whole - 1] = '\n';
    filled += whole;
}

/* Says what was lost, once writing works again. */
static void own_up(void)
{
    char sentence[160];
    if (lost > 0 && file < 0)
        open_file();
    if (lost == 0 || file < 0)
        return;
    unsigned long long before = lost;
    int length = snprintf(sentence, sizeof sentence, "sampan: %llu bytes of the log could not be written: %s", lost, strerror(lost_error));
    lost = 0;
    put(STREAM_ERR, sentence, (size_t)length, false);
    flush();
    if (lost > 0) /* the disk is still full */
        lost = before;
}

static void take_rest(enum stream stream, const char *text, size_t length)
{
    while (length > 0) {
        size_t room = LONGEST - waiting[stream].length, taken = length < room ? length : room;
        if (waiting[stream].length == 0)
            waiting[stream].since = clock_now();
        memcpy(waiting[stream].text + waiting[stream].length, text, taken);
        waiting[stream].length += taken;
        text += taken;
        length -= taken;
        if (waiting[stream].length == LONGEST) {
            put(stream, waiting[stream].text, LONGEST, true);
            waiting[stream].length = 0;
        }
    }
}

static void take_line(enum stream stream, const char *text, size_t length)
{
    size_t before = waiting[stream].length;
    if (before > 0 && before + length <= LONGEST) {
        memcpy(waiting[stream].text + before, text, length);
        put(stream, waiting[stream].text, before + length, false);
        waiting[stream].length = 0;
        return;
    }
    if (before > 0) {
        put(stream, waiting[stream].text, before, true);
        waiting[stream].length = 0;
    }
    for (; length > LONGEST; text += LONGEST, length -= LONGEST)
        put(stream, text, LONGEST, true);
    put(stream, text, length, false);
}

void log_take(enum stream stream, const char *bytes, size_t length)
{
    const char *end;
    if (directory < 0)
        return;
    new_batch();
    own_up();
    while (length > 0 && (end = memchr(bytes, '\n', length)) != NULL) {
        take_line(stream, bytes, (size_t)(end - bytes));
        length -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
    }
    take_rest(stream, bytes, length);
    flush();
}

void log_say(const char *sentence)
{
    char line[1024 + LOG_SLACK];
    if (directory < 0)
        return;
    new_batch();
    own_up();
    int length = snprintf(line, sizeof line - LOG_SLACK, "%s", sentence);
    put(STREAM_ERR, line, length < 1024 ? (size_t)length : 1023, false);
    flush();
}

void log_collect(struct pollset *set)
{
    for (int stream = 0; stream < STREAMS; stream++) {
        if (waiting[stream].length > 0)
            pollset_until(set, waiting[stream].since + PATIENCE);
    }
}

static void write_waiting(int64_t before)
{
    for (enum stream stream = 0; stream < STREAMS; stream++) {
        if (waiting[stream].length == 0 || waiting[stream].since > before)
            continue;
        new_batch();
        put(stream, waiting[stream].text, waiting[stream].length, true);
        waiting[stream].length = 0;
        flush();
    }
}

void log_tick(void)
{
    write_waiting(clock_now() - PATIENCE);
}

void log_finish(void)
{
    write_waiting(NEVER);
    if (directory >= 0) {
        new_batch();
        own_up();
    }
}
