/* A launch file, carried out as far as an engine without namespaces can: what it cannot do is refused by name. */
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "launch.h"
#include "records.h"

#define MAX_ARGUMENTS 65536

struct file_state {
    struct launch *launch;
    char **caller;           /* environment */
    char **given;            /* arguments */
    const char *directory;   /* of the file, for relative paths; NULL: an open descriptor */
    const char *args_mode;
    const char *touch;
    char **default_args;
    u32 default_count;
    struct record exec;
};

static void *take_memory(u64 size)
{
    void *memory = (void *)KERNEL(mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (is_error((long)memory))
        fail(STATUS_FAILED, "out of memory", NULL);
    return memory;
}

static _Noreturn void refuse(const struct record *record, const char *why, const char *what)
{
    fail(STATUS_FAILED, "the launch file's record \"", record->text, "\" ", why, what, NULL);
}

static const char *host_path(const struct file_state *state, const struct record *record, const char *path)
{
    if (path[0] == '/')
        return path;
    if (!state->directory || !*path)
        refuse(record, "has a relative path, which only a file can have: ", path);
    char *full = take_memory(2 * PATH_LIMIT);
    if (strlen(state->directory) + strlen(path) + 2 > 2 * PATH_LIMIT)
        refuse(record, "has a path that is too long: ", path);
    put_text(put_text(put_text(full, state->directory), "/"), path);
    return full;
}

static const char *target(const struct record *record, const char *path)
{
    if (path[0] != '/')
        refuse(record, "has a target that is not an absolute path: ", path);
    return path;
}

static u32 mode(const struct record *record, const char *text)
{
    u64 value;
    if (!read_octal(text, &value) || value > 07777)
        refuse(record, "has a mode that is none: ", text);
    return (u32)value;
}

static u64 number(const struct record *record, const char *text)
{
    u64 value;
    if (!read_number(text, &value, NULL))
        refuse(record, "has a number that is none: ", text);
    return value;
}

static struct bind_request *add_request(struct file_state *state, const struct record *record, u8 kind, const char *guest)
{
    struct launch *launch = state->launch;
    if (launch->request_count == REQUEST_LIMIT)
        refuse(record, "is one too many: the interception engine takes ", number_text(REQUEST_LIMIT));
    struct bind_request *request = &launch->requests[launch->request_count++];
    *request = (struct bind_request){.kind = kind, .guest = target(record, guest), .fd = -1};
    return request;
}

static void bind(struct file_state *state, const struct record *record)
{
    const char *flags = record_field(record, 2);
    if (!list_knows(flags, "ro,optional,rprivate,rslave,nosuid"))
        refuse(record, "has a flag that the interception engine cannot honour: ", flags);
    struct bind_request *request = add_request(state, record, REQUEST_BIND, record_field(record, 1));
    request->host = host_path(state, record, record_field(record, 0));
    request->read_only = list_has(flags, "ro");
    request->optional = list_has(flags, "optional");
}

static void tmpfs(struct file_state *state, const struct record *record)
{
    const char *flags = record_field(record, 3);
    if (!list_knows(flags, "ro,nosuid,nodev"))
        refuse(record, "has a flag that the interception engine cannot honour: ", flags);
    if (number(record, record_field(record, 2)))
        refuse(record, "has a size, which the interception engine cannot bound: ", record_field(record, 0));
    struct bind_request *request = add_request(state, record, REQUEST_TMPFS, record_field(record, 0));
    request->mode = mode(record, record_field(record, 1));
    request->read_only = list_has(flags, "ro");
}

static void file(struct file_state *state, const struct record *record)
{
    struct bind_request *request = add_request(state, record, REQUEST_FILE, record_field(record, 0));
    request->mode = mode(record, record_field(record, 1));
    request->read_only = list_has(record_field(record, 2), "ro");
    request->content = record_field(record, 3);
}

/* The ids shown in place of the caller's; only a map of this one id can be imitated. */
static void map(struct file_state *state, const struct record *record)
{
    struct launch *launch = state->launch;
    bool user = record->name == RECORD_UID_MAP;
    u64 own = (u64)(user ? KERNEL(getuid) : KERNEL(getgid));
    const char *outside = record_field(record, 1);
    u64 inside = number(record, record_field(record, 0));
    if (number(record, record_field(record, 2)) != 1 || (!text_equal(outside, "caller") && number(record, outside) != own))
        refuse(record, "maps more than the caller's own id, which the interception engine cannot", "");
    if (!(launch->options & OPTION_SHOWN_IDS)) {
        launch->shown_uid = (u32)KERNEL(getuid);
        launch->shown_gid = (u32)KERNEL(getgid);
    }
    if (user)
        launch->shown_uid = (u32)inside;
    else
        launch->shown_gid = (u32)inside;
    if (inside != own)
        launch->options |= OPTION_SHOWN_IDS;
}

static void take_variables(struct file_state *state, const char *name, bool prefix)
{
    size_t length = strlen(name);
    for (char **variable = state->caller; *variable; variable++) {
        const char *rest = *variable + length;
        if (text_begins(*variable, name) && (prefix || *rest == '='))
            set_variable(state->launch, *variable);
    }
}

static void directory(struct file_state *state, const struct record *record)
{
    struct launch *launch = state->launch;
    if (launch->directory || launch->caller_directory)
        refuse(record, "is a second directory", "");
    if (record->name == RECORD_CWD_CALLER) {
        launch->caller_directory = true;
        launch->bind_directory = list_has(record_field(record, 0), "bind");
        launch->directory_else = target(record, record_field(record, 1));
        return;
    }
    const char *otherwise = record_field(record, 1);
    launch->directory = target(record, record_field(record, 0));
    launch->create_directory = text_equal(otherwise, "create");
    if (!launch->create_directory && !text_equal(otherwise, "refuse"))
        launch->directory_else = target(record, otherwise);
}

static void owner(const struct record *record)
{
    if (number(record, record_field(record, 0)) != (u64)KERNEL(getuid)) {
        message_hint("make your own with `sampan wrap`");
        fail(STATUS_FAILED, "this launch file belongs to user ", record_field(record, 0), NULL);
    }
}

/* A variable of the caller that is for this program alone: its value, and the payload does not get it. */
static const char *take_word(struct file_state *state, const struct record *record, const char *name)
{
    size_t length = strlen(name);
    for (char **at = state->caller; *at; at++) {
        if (!text_begins(*at, name) || (*at)[length] != '=')
            continue;
        const char *value = *at + length + 1;
        for (; *at; at++)
            *at = at[1];
        return value;
    }
    refuse(record, "needs the variable ", name);
}

/* The watcher hears on this descriptor why the start failed; that it closes tells it that the payload runs. */
static void ready(struct file_state *state, const struct record *record)
{
    u64 fd;
    const char *word = take_word(state, record, "SAMPAN_READY");
    if (!read_number(word, &fd, NULL) || KERNEL(fcntl, fd, F_SETFD, FD_CLOEXEC))
        refuse(record, "names a descriptor that is not open: ", word);
    message_to((int)fd);
}

/* What only this engine has. */
static void engine_option(struct file_state *state, const struct record *record)
{
    const char *name = record_field(record, 0), *value = record_field(record, 1);
    if (text_equal(name, "landlock"))
        state->launch->landlock = true;
    else if (text_equal(name, "trace"))
        state->launch->options |= OPTION_TRACE;
    else if (text_equal(name, "owners"))
        state->launch->owners = host_path(state, record, value);
    else if (text_equal(name, "image-owners"))
        state->launch->image_owners = host_path(state, record, value);
    else if (text_equal(name, "ready"))
        ready(state, record);
    else if (text_equal(name, "enter"))
        state->launch->join = *value ? value : take_word(state, record, "SAMPAN_PAYLOAD");
    else
        refuse(record, "names no option of the interception engine: ", name);
}

static void carry_out(struct file_state *state, const struct record *record)
{
    struct launch *launch = state->launch;
    const char *first = record->count ? record_field(record, 0) : "";
    switch (record->name) {
    case RECORD_OWNER: owner(record); break;
    case RECORD_IMAGE: message_subject(first); break;
    case RECORD_LABEL: launch->label = first; break;
    case RECORD_TOUCH: state->touch = host_path(state, record, first); break;
    case RECORD_UID_MAP: case RECORD_GID_MAP: map(state, record); break;
    case RECORD_ROOT_TREE:
        launch->root = host_path(state, record, first);
        launch->root_read_only = text_equal(record_field(record, 1), "ro");
        if (!launch->root_read_only && !text_equal(record_field(record, 1), "rw"))
            refuse(record, "has a mode that is neither ro nor rw: ", record_field(record, 1));
        break;
    case RECORD_BIND: bind(state, record); break;
    case RECORD_TMPFS: tmpfs(state, record); break;
    case RECORD_FILE: file(state, record); break;
    case RECORD_MKDIR: add_request(state, record, REQUEST_DIRECTORY, first)->mode = mode(record, record_field(record, 1)); break;
    case RECORD_SYMLINK: add_request(state, record, REQUEST_LINK, record_field(record, 1))->host = first; break;
    case RECORD_DEV: add_request(state, record, REQUEST_DEV, first); break;
    case RECORD_MASK: add_request(state, record, REQUEST_MASK, first); break;
    case RECORD_READ_ONLY: add_request(state, record, REQUEST_READ_ONLY, first); break;
    case RECORD_ENV: set_variable(launch, (char *)(u64)first); break;
    case RECORD_ENV_FROM: take_variables(state, first, false); break;
    case RECORD_ENV_PREFIX: take_variables(state, first, true); break;
    case RECORD_ENV_UNSET: unset_variable(launch, first); break;
    case RECORD_CWD: case RECORD_CWD_CALLER: directory(state, record); break;
    case RECORD_ARGS: state->args_mode = first; break;
    case RECORD_DEFAULT_ARG: state->default_args[state->default_count++] = (char *)(u64)first; break;
    case RECORD_EXEC: state->exec = *record; break;
    case RECORD_ENGINE: engine_option(state, record); break;
    case RECORD_UMASK: case RECORD_LIMIT_SET: case RECORD_CPUS: case RECORD_FDS: case RECORD_DIE_WITH_PARENT:
        if (!settings_add(launch, record))
            refuse(record, "has a value that is none: ", first);
        break;
    default: break;
    }
}

static char **arguments(struct file_state *state)
{
    u64 given = 0, count = state->exec.count + state->default_count;
    while (state->given[given])
        given++;
    if (given && text_equal(state->args_mode, "refuse"))
        fail(STATUS_FAILED, "it takes no arguments, and was given \"", state->given[0], "\"", NULL);
    char **all = take_memory((count + given + 1) * sizeof(char *)), **end = all;
    const char *text = state->exec.fields;
    for (u32 i = 0; i < state->exec.count; i++, text += strlen(text) + 1)
        *end++ = (char *)(u64)text;
    if (!given || !text_equal(state->args_mode, "replace"))
        for (u32 i = 0; i < state->default_count; i++)
            *end++ = state->default_args[i];
    for (u64 i = 0; i < given; i++)
        *end++ = state->given[i];
    return all;
}

/* The directory of a file, links in its name followed. */
static const char *directory_of(int fd)
{
    char link[40], *path = take_memory(PATH_LIMIT);
    put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
    long size = KERNEL(readlinkat, AT_FDCWD, link, path, PATH_LIMIT - 1);
    if (size < 0)
        fail(STATUS_FAILED, "cannot find the launch file's directory: ", error_words(size), NULL);
    path[base_offset(path, (size_t)size)] = 0;
    return path;
}

static char *read_file(int fd, const char *name, u64 *size)
{
    char *bytes = take_memory(FILE_LIMIT + PAGE);
    for (long got = 1; got > 0; *size += (u64)got) {
        got = *size < FILE_LIMIT + 1 ? KERNEL(pread64, fd, bytes + *size, FILE_LIMIT + 1 - *size, *size) : 0;
        if (got < 0)
            fail(STATUS_FAILED, "cannot read ", name, ": ", error_words(got), NULL);
    }
    if (*size > FILE_LIMIT)
        fail(STATUS_FAILED, "the launch file is longer than 8 MiB", NULL);
    return bytes;
}

void read_launch_file(struct launch *launch, const char *path, int fd, char **given, char **envp)
{
    struct file_state state = {.launch = launch, .caller = envp, .given = given, .args_mode = "append"};
    struct record_reader reader;
    struct record record;
    u64 size = 0;
    if (path) {
        bool read_only;
        fd = (int)open_host(path, launch->nested, &read_only);
        char link[40];
        put_number(put_text(link, "/proc/self/fd/"), (u64)(u32)fd);
        fd = fd < 0 ? fd : (int)KERNEL(openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
        if (fd < 0)
            fail(STATUS_FAILED, "cannot read ", path, ": ", error_words(fd), NULL);
        state.directory = directory_of(fd);
    }
    char *bytes = read_file(fd, path ? path : "the launch file", &size);
    KERNEL(close, fd);
    state.default_args = take_memory(MAX_ARGUMENTS * sizeof(char *));
    records_open(&reader, bytes, size);
    while (records_next(&reader, &record))
        carry_out(&state, &record);
    if (launch->join && (launch->root || launch->request_count))
        fail(STATUS_FAILED, "the launch file cannot be run: it has a root or mounts, and \"enter\" brings them", NULL);
    if (!launch->root && !launch->join)
        fail(STATUS_FAILED, "the launch file cannot be run: it has no root", NULL);
    launch->argv = arguments(&state);
    launch->from_file = path;
    if (!launch->argv[0])
        fail(STATUS_FAILED, "the launch file cannot be run: it names no program, and none was given", NULL);
    launch->touch = state.touch;
}
