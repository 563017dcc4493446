/* Tables of needs and exclusions, and the few rules that fit into none. Pure. */
#include "check.h"

#include <string.h>

static bool check_order(struct launch *launch)
{
    enum stage reached = STAGE_GUARD;
    const struct record *root = NULL;
    for (unsigned i = 0; i < launch->count; i++) {
        const struct record *record = &launch->records[i];
        const struct record_kind *kind = record->kind;
        if (kind->name == LATER)
            return launch_refuse(launch, "this sampan-run does not do \"%s\" yet (record %u)", kind->text, i + 1);
        if (reached == STAGE_EXEC)
            return launch_refuse(launch, "record %u, \"%s\", stands behind \"exec\"", i + 1, kind->text);
        if (kind->stage < reached)
            return launch_refuse(launch, "record %u, \"%s\", stands too late", i + 1, kind->text);
        if (kind->stage == STAGE_MOUNT && root == NULL)
            return launch_refuse(launch, "record %u, \"%s\", stands before the root", i + 1, kind->text);
        if (kind->stage == STAGE_ROOT && root != NULL)
            return launch_refuse(launch, "record %u, \"%s\", is a second root", i + 1, kind->text);
        if (kind->once && record_of(launch, kind->name) != record)
            return launch_refuse(launch, "record %u is a second \"%s\"", i + 1, kind->text);
        if (kind->stage == STAGE_ROOT)
            root = record;
        if (kind->stage != STAGE_PROCESS)
            reached = kind->stage;
    }
    if (reached != STAGE_EXEC)
        return launch_refuse(launch, "it has no \"exec\"");
    if (record_of(launch, ENTER) != NULL)
        return root == NULL || launch_refuse(launch, "it has a root, and \"enter\" brings one");
    return root != NULL || launch_refuse(launch, "it has no root");
}

bool launch_has_namespace(const struct launch *launch, const char *name)
{
    const struct record *unshare = record_of(launch, UNSHARE), *enter = record_of(launch, ENTER);
    return (unshare != NULL && list_has(field(unshare, 0), name)) || (enter != NULL && list_has(field(enter, 2), name));
}

bool launch_is_watched(const struct launch *launch)
{
    return record_of(launch, WATCH) != NULL || launch_has_namespace(launch, "pid");
}

bool launch_on_host_as(const struct launch *launch, const char *flag)
{
    const struct record *root = record_of(launch, ROOT_HOST);
    return root != NULL && list_has(field(root, 0), flag);
}

bool launch_has_launcher(const struct launch *launch)
{
    return launch_on_host_as(launch, "launcher");
}

bool launch_has_flag(const struct launch *launch, const char *flag)
{
    const struct record *watch = record_of(launch, WATCH);
    return watch != NULL && list_has(field(watch, 0), flag);
}

/* Every new user namespace has its maps, and each namespace-bound record its namespace. */
static bool check_needs(struct launch *launch)
{
    static const struct {
        enum record_name name;
        const char *space;
    } NEEDS[] = {{UID_MAP, "user"}, {GID_MAP, "user"}, {MAP_TOOLS, "user"}, {HOSTNAME, "uts"}, {LOOPBACK, "net"}};
    const struct record *unshare = record_of(launch, UNSHARE);
    for (size_t i = 0; i < sizeof NEEDS / sizeof NEEDS[0]; i++) {
        const struct record *record = record_of(launch, NEEDS[i].name);
        if (record != NULL && !list_has(field(unshare, 0), NEEDS[i].space))
            return launch_refuse(launch, "\"%s\" needs a new \"%s\" namespace", record->kind->text, NEEDS[i].space);
    }
    const struct record *uids = record_of(launch, UID_MAP), *gids = record_of(launch, GID_MAP);
    if (list_has(field(unshare, 0), "user") && (uids == NULL || gids == NULL))
        return launch_refuse(launch, "a new \"user\" namespace needs \"uid-map\" and \"gid-map\"");
    const struct record *maps[] = {uids, gids};
    for (size_t i = 0; i < 2 && record_of(launch, MAP_TOOLS) == NULL; i++) {
        const struct record *map = maps[i];
        if (map != NULL && (strcmp(field(map, 2), "1") != 0 || next_record_of(launch, map, map->kind->name) != NULL))
            return launch_refuse(launch, "\"%s\" of more than one id needs \"map-tools\"", map->kind->text);
    }
    return true;
}

static bool check_namespaces(struct launch *launch)
{
    const struct record *unshare = record_of(launch, UNSHARE);
    if (unshare == NULL || !list_has(field(unshare, 0), "mount"))
        return launch_refuse(launch, "it asks for no \"mount\" namespace, which every start needs");
    return check_needs(launch);
}

/* Inside, an own user namespace can give the payload an id that the program which made the root could not. */
static bool is_of_identity(const struct record *record)
{
    enum record_name name = record->kind->name;
    return name == UID_MAP || name == GID_MAP || (name == UNSHARE && strcmp(field(record, 0), "user") == 0);
}

static bool check_enter(struct launch *launch)
{
    static const enum record_name NEITHER[] = {OUTSIDE, CWD_CALLER, HELPER, HEALTH};
    for (unsigned i = 0; i < launch->count; i++) {
        const struct record_kind *kind = launch->records[i].kind;
        bool excluded = kind->stage == STAGE_MOUNT || (kind->stage == STAGE_NAMESPACE && kind->name != ENTER && kind->name != CGROUP);
        for (size_t j = 0; j < sizeof NEITHER / sizeof NEITHER[0]; j++)
            excluded |= kind->name == NEITHER[j];
        if (excluded)
            return launch_refuse(launch, "record %u, \"%s\", cannot stand beside \"enter\"", i + 1, kind->text);
    }
    if (launch_has_flag(launch, "remove"))
        return launch_refuse(launch, "the flag \"remove\" of \"watch\" cannot stand beside \"enter\"");
    const struct record *cwd = record_of(launch, CWD);
    if (cwd != NULL && strcmp(field(cwd, 1), "create") == 0)
        return launch_refuse(launch, "\"cwd\" makes no directory beside \"enter\"");
    return true;
}

static bool check_host(struct launch *launch)
{
    static const enum record_name NEITHER[] = {TOUCH, OUTSIDE, CWD_CALLER, USER, OWNERS};
    bool inside = launch_on_host_as(launch, "inside");
    size_t count = sizeof NEITHER / sizeof NEITHER[0] - inside; /* in a root that another program has made owners can be noted */
    for (unsigned i = 0; i < launch->count; i++) {
        const struct record_kind *kind = launch->records[i].kind;
        bool excluded = kind->stage == STAGE_MOUNT || (kind->stage == STAGE_NAMESPACE && kind->name != CGROUP);
        excluded &= !inside || !is_of_identity(&launch->records[i]);
        for (size_t j = 0; j < count; j++)
            excluded |= kind->name == NEITHER[j];
        if (excluded)
            return launch_refuse(launch, "record %u, \"%s\", cannot stand beside \"root-host\"", i + 1, kind->text);
    }
    const struct record *cwd = record_of(launch, CWD);
    if (cwd != NULL && !inside && strcmp(field(cwd, 1), "create") == 0)
        return launch_refuse(launch, "\"cwd\" makes no directory beside \"root-host\"");
    return record_of(launch, UNSHARE) == NULL || check_needs(launch);
}

static bool check_place(struct launch *launch)
{
    if (record_of(launch, ENTER) != NULL)
        return check_enter(launch);
    return record_of(launch, ROOT_HOST) != NULL ? check_host(launch) : check_namespaces(launch);
}

static bool check_watch(struct launch *launch)
{
    static const enum record_name OF_THE_WATCHER[] = {CGROUP, LOG_SIZE, ATTACH, READY, HEALTH, HELPER};
    static const char *const WRITING[] = {"logs", "remove"};
    const struct record *watch = record_of(launch, WATCH), *size = record_of(launch, LOG_SIZE);
    for (size_t i = 0; i < sizeof OF_THE_WATCHER / sizeof OF_THE_WATCHER[0]; i++) {
        const struct record *record = record_of(launch, OF_THE_WATCHER[i]);
        if (record != NULL && !launch_is_watched(launch))
            return launch_refuse(launch, "\"%s\" needs \"watch\"", record->kind->text);
    }
    bool has_directory = watch != NULL && *field(watch, 1) != '\0';
    for (size_t i = 0; i < 2; i++) {
        if (launch_has_flag(launch, WRITING[i]) && !has_directory)
            return launch_refuse(launch, "the flag \"%s\" of \"watch\" needs a directory", WRITING[i]);
    }
    if (record_of(launch, HEALTH) != NULL && !has_directory)
        return launch_refuse(launch, "\"health\" needs a directory in \"watch\"");
    if (size != NULL && !launch_has_flag(launch, "logs"))
        return launch_refuse(launch, "\"log-size\" needs the flag \"logs\" of \"watch\"");
    if (size != NULL && field_number(field(size, 1), 10) > MAX_LOG_FILES)
        return launch_refuse(launch, "\"log-size\" keeps more than %d files", MAX_LOG_FILES);
    if (launch_has_flag(launch, "stdin") && record_of(launch, ATTACH) == NULL)
        return launch_refuse(launch, "the flag \"stdin\" of \"watch\" needs \"attach\"");
    if (launch_has_flag(launch, "detach") && record_of(launch, DIE_WITH_PARENT) != NULL)
        return launch_refuse(launch, "\"die-with-parent\" cannot stand beside the flag \"detach\" of \"watch\"");
    return true;
}

static bool check_process(struct launch *launch)
{
    static const enum record_name PLACES[] = {CWD, CWD_CALLER, OUTSIDE};
    const struct record *place = NULL, *args = record_of(launch, ARGS), *user = record_of(launch, USER);
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        const struct record *record = record_of(launch, PLACES[i]);
        if (record != NULL && place != NULL)
            return launch_refuse(launch, "it has both \"%s\" and \"%s\"", place->kind->text, record->kind->text);
        place = record != NULL ? record : place;
    }
    bool takes_words = args == NULL || strcmp(field(args, 0), "refuse") != 0;
    if (record_of(launch, EXEC)->count == 0 && record_of(launch, DEFAULT_ARG) == NULL && !takes_words)
        return launch_refuse(launch, "\"exec\" names no program, and nothing else can");
    unsigned groups = user != NULL && *field(user, 2) != '\0';
    for (const char *c = user == NULL ? "" : field(user, 2); *c != '\0'; c++)
        groups += *c == ',';
    return groups <= MAX_GROUPS || launch_refuse(launch, "\"user\" names more than %d groups", MAX_GROUPS);
}

bool check_records(struct launch *launch)
{
    return check_order(launch) && check_place(launch) && check_watch(launch) && check_process(launch);
}
