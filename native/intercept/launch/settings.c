#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../threads/thread.h"
#include "launch.h"

#define MAX_CPUS 65536
#define MAX_DESCRIPTOR (1UL << 20)

static const struct {
    const char *name;
    int number;
} limits[] = {
    {"cpu", 0}, {"fsize", 1}, {"data", 2}, {"stack", 3}, {"core", 4}, {"rss", 5}, {"nproc", 6}, {"nofile", 7}, {"memlock", 8}, {"as", 9},
    {"locks", 10}, {"sigpending", 11}, {"msgqueue", 12}, {"nice", 13}, {"rtprio", 14}, {"rttime", 15},
};

static int limit_number(const char *name)
{
    for (size_t i = 0; i < LENGTH(limits); i++)
        if (text_equal(limits[i].name, name))
            return limits[i].number;
    return -1;
}

static bool bound(const char *text, u64 *value)
{
    if (!text_equal(text, "unlimited"))
        return read_number(text, value, NULL);
    *value = ~0UL;
    return true;
}

/* `3,5` or, with ranges, `0-3,8`. */
static bool is_list(const char *text, bool ranges, u64 highest)
{
    while (*text) {
        u64 first, last;
        if (!read_number(text, &first, &text) || first > highest)
            return false;
        if (ranges && *text == '-' && (!read_number(text + 1, &last, &text) || last < first || last > highest))
            return false;
        if (*text == ',' && text[1])
            text++;
        else if (*text)
            return false;
    }
    return true;
}

bool settings_add(struct launch *launch, const struct record *record)
{
    u64 value;
    const char *first = record->count ? record_field(record, 0) : "";
    if (launch->setting_count == SETTING_LIMIT)
        return false;
    launch->settings[launch->setting_count++] = *record;
    switch (record->name) {
    case RECORD_UMASK: return read_octal(first, &value) && value <= 0777;
    case RECORD_LIMIT_SET: return limit_number(first) >= 0 && bound(record_field(record, 1), &value) && bound(record_field(record, 2), &value);
    case RECORD_CPUS: return *first && is_list(first, true, MAX_CPUS - 1);
    case RECORD_FDS: return is_list(first, false, MAX_DESCRIPTOR);
    default: return true;
    }
}

static bool is_kept(const char *list, u64 fd)
{
    u64 kept;
    while (*list && read_number(list, &kept, &list)) {
        if (kept == fd)
            return true;
        list += *list == ',';
    }
    return false;
}

/* Without close_range (kernels before 5.9) one by one; an outer engine's descriptors stay in either case. */
static void close_from_to(u64 first, u64 last)
{
    if (first > last)
        return;
    if (KERNEL(close_range, first, last, 0) != -ENOSYS)
        return;
    for (; first <= last && first <= MAX_DESCRIPTOR; first++)
        KERNEL(close, first);
}

static void close_others(const char *kept, bool nested)
{
    u64 from = 3;
    for (u64 fd = 3; fd <= MAX_DESCRIPTOR; fd++) {
        bool stays = is_kept(kept, fd) || (nested && is_reserved((long)fd));
        if (!stays && fd < MAX_DESCRIPTOR)
            continue;
        close_from_to(from, fd < MAX_DESCRIPTOR ? fd - 1 : ~0u);
        from = fd + 1;
    }
}

static void set_limit(const struct record *record)
{
    const char *name = record_field(record, 0);
    struct rlimit limit;
    bound(record_field(record, 1), &limit.soft);
    bound(record_field(record, 2), &limit.hard);
    long error = KERNEL(prlimit64, 0, limit_number(name), &limit, NULL);
    if (error)
        fail(STATUS_FAILED, "the limit ", name, " cannot be ", record_field(record, 1), " (hard ", record_field(record, 2), "): ",
             error_words(error), NULL);
}

void settings_apply_first(const struct launch *launch)
{
    for (u32 i = 0; i < launch->setting_count; i++) {
        const struct record *record = &launch->settings[i];
        if (record->name == RECORD_FDS)
            close_others(record_field(record, 0), launch->nested);
        if (record->name == RECORD_LIMIT_SET)
            set_limit(record);
    }
}

static void set_cpus(const char *list)
{
    u64 size = MAX_CPUS / 8, *mask = (u64 *)KERNEL(mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const char *all = list;
    if (is_error((long)mask))
        fail(STATUS_FAILED, "out of memory", NULL);
    while (*list) {
        u64 first = 0, last;
        read_number(list, &first, &list);
        last = first;
        if (*list == '-')
            read_number(list + 1, &last, &list);
        for (; first <= last; first++)
            mask[first / 64] |= 1UL << (first % 64);
        list += *list == ',';
    }
    long error = KERNEL(sched_setaffinity, 0, size, mask);
    if (error)
        fail(STATUS_FAILED, "it cannot run on the processors ", all, ": ", error_words(error), NULL);
    KERNEL(munmap, mask, size);
}

void settings_apply_last(const struct launch *launch)
{
    for (u32 i = 0; i < launch->setting_count; i++) {
        const struct record *record = &launch->settings[i];
        u64 value = 0;
        switch (record->name) {
        case RECORD_UMASK:
            read_octal(record_field(record, 0), &value);
            KERNEL(umask, value);
            break;
        case RECORD_CPUS:
            set_cpus(record_field(record, 0));
            break;
        case RECORD_DIE_WITH_PARENT:
            KERNEL(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
            if (KERNEL(getppid) != launch->parent)
                fail(STATUS_FAILED, "the process that started it has ended already", NULL);
            break;
        default:
            break;
        }
    }
}
