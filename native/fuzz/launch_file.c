/* Invariant: whatever the bytes, launch_check() either accepts them, and then every field of every record ends within them, or leaves
 * a fault in words; it reads nothing behind them.
 *
 *     clang -g -O1 -std=gnu11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -o build/fuzz/launch_file \
 *         native/fuzz/launch_file.c native/sampan-run/launch.c native/sampan-run/check.c native/sampan-run/records.c
 *
 * With -DREPLAY and without `fuzzer` it is a program that takes inputs from stdin, each behind its length in four bytes: so the short
 * run of the tests needs no libFuzzer. */
#include "../sampan-run/launch.h"

#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct launch launch;

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* Everything that later code does with an accepted file without asking again. */
static void walk(const struct launch *accepted)
{
    const char *end = accepted->bytes + accepted->length;
    for (unsigned i = 0; i < accepted->count; i++) {
        const struct record *record = &accepted->records[i];
        for (unsigned j = 0; j < record->count && j < 64; j++)
            demand(string_after(field(record, j)) <= end);
    }
    demand((record_of(accepted, UNSHARE) != NULL || record_of(accepted, ENTER) != NULL) && record_of(accepted, EXEC) != NULL);
    const struct record *watch = record_of(accepted, WATCH), *user = record_of(accepted, USER);
    demand(watch == NULL || (field_milliseconds(field(watch, 3)) >= 0 && field_milliseconds(field(watch, 4)) >= 0));
    demand(user == NULL || strlen(field(user, 2)) < MAX_GROUPS * 23);
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    demand(stream != NULL);
    launch_print(accepted, stream);
    fclose(stream);
    demand(length > 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size - 1 > MAX_BYTES)
        return 0;
    launch.fault[0] = '\0';
    launch.may_be_relative = data[0] & 1;
    launch.length = size - 1;
    memcpy(launch.bytes, data + 1, launch.length);
    char *behind = launch.bytes + launch.length + 1;
    size_t rest = sizeof launch.bytes - launch.length - 1;
    ASAN_POISON_MEMORY_REGION(behind, rest);
    if (launch_check(&launch))
        walk(&launch);
    else
        demand(launch.fault[0] != '\0');
    ASAN_UNPOISON_MEMORY_REGION(behind, rest);
    return 0;
}

#ifdef REPLAY
int main(void)
{
    static uint8_t data[MAX_BYTES + 1];
    uint8_t head[4];
    while (fread(head, 1, 4, stdin) == 4) {
        uint32_t size = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
        if (size > sizeof data || fread(data, 1, size, stdin) != size)
            return 1;
        LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
#endif
