/* What holds between the records of a launch file. */
#ifndef CHECK_H
#define CHECK_H

#include "launch.h"

/* Order, uniqueness, what must be there, what needs or excludes what; false with a fault. */
bool check_records(struct launch *launch);

/* Does sampan-run stay, as the watcher? */
bool launch_is_watched(const struct launch *launch);

/* Are these namespaces (`pid`, say) made or joined? */
bool launch_has_namespace(const struct launch *launch, const char *name);

/* Is the program itself a launcher, which says when the payload is executed? */
bool launch_has_launcher(const struct launch *launch);

/* Has the `root-host` record this flag? */
bool launch_on_host_as(const struct launch *launch, const char *flag);

/* Has the `watch` record this flag? */
bool launch_has_flag(const struct launch *launch, const char *flag);

#endif
