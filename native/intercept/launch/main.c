#include "../exec/exec.h"
#include "../exec/state.h"
#include "../filter/filter.h"
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/process.h"
#include "../threads/signals.h"
#include "launch.h"

/* An empty description, so that the engine's functions can be used before there is one. */
static void prepare_memory(bool probing)
{
    u64 size = PAGE + CONTAINER_SIZE;
    u64 got = (u64)KERNEL(mmap, ENGINE_BASE, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != ENGINE_BASE && probing)
        probe_failed("address", is_error((long)got) ? (long)got : -EEXIST);
    if (got != ENGINE_BASE)
        fail(STATUS_FAILED, "the interception engine cannot work here: its place in memory is taken", NULL);
    making->options = OPTION_NO_CACHE;
}

static _Noreturn void launch_container(int argc, char **argv, char **envp, bool nested)
{
    u64 size = sizeof(struct launch);
    struct launch *launch = (struct launch *)KERNEL(mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (is_error((long)launch))
        fail(STATUS_FAILED, "the interception engine got no memory: ", error_words((long)launch), NULL);
    launch->nested = nested;
    launch->parent = KERNEL(getppid);
    read_options(launch, argc, argv, envp);
    settings_apply_first(launch);
    if (launch->join) {
        launch_join(launch);
    } else {
        launch_open(launch, envp);
        launch_build(launch);
    }
    enter_directory(launch);
    if (launch->landlock)
        restrict_files();
    long error = filter_install();
    if (error)
        fail(STATUS_FAILED, "the kernel refuses the interception engine's filter: ", error_words(error), NULL);
    settings_apply_last(launch);
    run_first(launch);
}

void start_program(u64 *stack)
{
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
    size_t count = 0;
    struct exec_state state;
    while (envp[count])
        count++;
    process.jail = "";
    process.directory_bind = -1;
    bool started = count && text_begins(envp[count - 1], STATE_NAME);
    if (!started) {
        prepare_memory(argc == 2 && text_equal(argv[1], "--probe"));
        first_thread_arm();
        launch_container(argc, argv, envp, false);
    }
    if (!state_read(envp[count - 1], &state) || !container_map((int)(state.first_reserved + RESERVED_CONTAINER)))
        fail(STATUS_FAILED, "the interception engine lost its container's description (was its program replaced while the container ran?)", NULL);
    process.program = state.path;
    process.jail = state.jail;
    process.directory_bind = (i32)state.directory_bind;
    process.ids = state.ids;
    first_thread_arm();
    signals_arm(state.ignored);
    if (state.nested) {
        envp[count - 1] = NULL;
        KERNEL(close, state.program);
        launch_container(argc, argv, envp, true);
    }
    load_program(&state, stack);
}
