#include "../kernel/message.h"
#include "../kernel/text.h"
#include "launch.h"

#ifndef SAMPAN_VERSION
#error "SAMPAN_VERSION is set by hatch_build.py"
#endif

static const char usage[] =
    "usage: sampan-intercept [OPTION]... -- PROGRAM [ARGUMENT]...\n"
    "       sampan-intercept FILE [ARGUMENT]...          run a launch file\n"
    "       sampan-intercept --fd=N [ARGUMENT]...        run one from an open descriptor\n"
    "       sampan-intercept --probe                     say what the engine needs and whether this machine has it\n"
    "       sampan-intercept --version\n"
    "  --root DIR                 the root directory\n"
    "  --read-only                nothing in it can be changed\n"
    "  --bind HOST:GUEST[:ro]     a host path made visible\n"
    "  --tmpfs GUEST              an empty directory that vanishes\n"
    "  --cwd DIR                  directory of the program (/)\n"
    "  --env NAME=VALUE           set a variable; the others are the caller's\n"
    "  --ids UID:GID              ids to show in place of the caller's\n"
    "  --fake-root                the same as --ids 0:0\n"
    "  --owners FILE              where owners and modes that are only shown are kept\n"
    "  --foreign MACHINE=PROGRAM  host program that runs programs of another machine type\n"
    "  --landlock                 let the kernel refuse what lies outside of the root and the binds\n"
    "  --trace                    print each call that is handled\n"
    "  --without=LIST             behave as if the kernel lacked: openat2 faccessat2 fchmodat2 xattrat execveat; or without `cache`\n";

u32 options_without(const char *list)
{
    static const struct {
        const char *name;
        u32 option;
    } table[] = {
        {"openat2", OPTION_NO_OPENAT2}, {"faccessat2", OPTION_NO_FACCESSAT2}, {"fchmodat2", OPTION_NO_FCHMODAT2},
        {"xattrat", OPTION_NO_XATTRAT}, {"execveat", OPTION_NO_EXECVEAT}, {"cache", OPTION_NO_CACHE},
    };
    u32 options = 0;
    while (*list) {
        size_t length = 0, i = 0;
        while (list[length] && list[length] != ',')
            length++;
        while (i < LENGTH(table) && (strlen(table[i].name) != length || memcmp(table[i].name, list, length)))
            i++;
        if (i == LENGTH(table))
            fail(STATUS_FAILED, "--without does not know \"", list, "\"", NULL);
        options |= table[i].option;
        list += length + (list[length] == ',');
    }
    return options;
}

static struct bind_request *new_request(struct launch *launch)
{
    if (launch->request_count == REQUEST_LIMIT)
        fail(STATUS_FAILED, "more than ", number_text(REQUEST_LIMIT), " binds", NULL);
    return &launch->requests[launch->request_count++];
}

/* HOST:GUEST[:ro], taken apart in place. */
static void bind_option(struct launch *launch, char *value)
{
    struct bind_request *request = new_request(launch);
    char *guest = value;
    while (*guest && *guest != ':')
        guest++;
    if (*guest)
        *guest++ = 0;
    else
        guest = value;
    size_t length = strlen(guest);
    *request = (struct bind_request){.kind = REQUEST_BIND, .host = value, .guest = guest, .fd = -1};
    if (guest != value && length > 3 && text_equal(guest + length - 3, ":ro")) {
        guest[length - 3] = 0;
        request->read_only = true;
    }
    if (guest[0] != '/')
        fail(STATUS_FAILED, "a bind's place in the container begins with a slash: ", guest, NULL);
}

static void ids_option(struct launch *launch, const char *value)
{
    u64 uid, gid;
    const char *end;
    if (!read_number(value, &uid, &end) || *end != ':' || !read_number(end + 1, &gid, NULL) || uid > 0xfffffffe || gid > 0xfffffffe)
        fail(STATUS_FAILED, "--ids takes UID:GID, not ", value, NULL);
    launch->options |= OPTION_SHOWN_IDS;
    launch->shown_uid = (u32)uid;
    launch->shown_gid = (u32)gid;
}

static bool flag_option(struct launch *launch, const char *name)
{
    if (text_equal(name, "--read-only"))
        launch->root_read_only = true;
    else if (text_equal(name, "--fake-root"))
        ids_option(launch, "0:0");
    else if (text_equal(name, "--landlock"))
        launch->landlock = true;
    else if (text_equal(name, "--trace"))
        launch->options |= OPTION_TRACE;
    else if (text_begins(name, "--without="))
        launch->options |= options_without(name + 10);
    else
        return false;
    return true;
}

static void value_option(struct launch *launch, const char *name, char *value)
{
    if (!value)
        fail(STATUS_FAILED, name, " needs a value", NULL);
    if (text_equal(name, "--root")) {
        launch->root = value;
    } else if (text_equal(name, "--bind")) {
        bind_option(launch, value);
    } else if (text_equal(name, "--tmpfs")) {
        *new_request(launch) = (struct bind_request){.kind = REQUEST_TMPFS, .guest = value, .mode = 01777, .fd = -1};
    } else if (text_equal(name, "--cwd")) {
        launch->directory = value;
    } else if (text_equal(name, "--env")) {
        return; /* take_environment: behind the caller's */
    } else if (text_equal(name, "--ids")) {
        ids_option(launch, value);
    } else if (text_equal(name, "--owners")) {
        launch->owners = value;
    } else if (text_equal(name, "--foreign")) {
        if (launch->foreign_count == FOREIGN_LIMIT)
            fail(STATUS_FAILED, "more than ", number_text(FOREIGN_LIMIT), " --foreign", NULL);
        launch->foreign[launch->foreign_count++] = value;
    } else {
        fail(STATUS_FAILED, "unknown option ", name, NULL);
    }
}

static _Noreturn void print(const char *text)
{
    KERNEL(write, 1, text, strlen(text));
    for (;;)
        KERNEL(exit_group, 0);
}

static void answer(const char *word)
{
    if (text_equal(word, "--help"))
        print(usage);
    if (text_equal(word, "--version"))
        print("sampan-intercept " SAMPAN_VERSION " format 1\n");
    if (text_equal(word, "--probe"))
        probe();
}

/* The caller's variables, and what --env says. */
static void take_environment(struct launch *launch, char **argv, int end, char **envp)
{
    for (char **variable = envp; *variable; variable++)
        set_variable(launch, *variable);
    for (int i = 1; i + 1 < end; i++)
        if (text_equal(argv[i], "--env"))
            set_variable(launch, argv[++i]);
}

void read_options(struct launch *launch, int argc, char **argv, char **envp)
{
    u64 fd;
    int i = 1;
    if (argc < 2)
        print(usage);
    answer(argv[1]);
    for (; i < argc && !text_equal(argv[i], "--"); i++) {
        if (text_begins(argv[i], "--fd=")) {
            if (!read_number(argv[i] + 5, &fd, NULL) || fd > 1UL << 30)
                fail(STATUS_FAILED, "--fd takes a number, not ", argv[i] + 5, NULL);
            read_launch_file(launch, NULL, (int)fd, argv + i + 1, envp);
            return;
        }
        if (argv[i][0] != '-') {
            read_launch_file(launch, argv[i], -1, argv + i + 1, envp);
            return;
        }
        if (flag_option(launch, argv[i]))
            continue;
        value_option(launch, argv[i], argv[i + 1]);
        i++;
    }
    if (i + 1 >= argc)
        fail(STATUS_FAILED, "no program given: sampan-intercept --root DIR -- PROGRAM", NULL);
    if (!launch->root)
        fail(STATUS_FAILED, "no root directory given: --root DIR", NULL);
    take_environment(launch, argv, i, envp);
    if (!launch->directory)
        launch->directory = "/";
    launch->argv = argv + i + 1;
}
