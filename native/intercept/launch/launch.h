/* The first start of a container: from a command line or a launch file to the container's description and the first program. */
#ifndef SAMPAN_LAUNCH_H
#define SAMPAN_LAUNCH_H

#include "../container/container.h"
#include "records.h"

#define REQUEST_LIMIT 256
#define VARIABLE_LIMIT 4096
#define SETTING_LIMIT 64

enum request_kind {
    REQUEST_BIND, REQUEST_TMPFS, REQUEST_FILE, REQUEST_DIRECTORY, REQUEST_LINK,
    REQUEST_DEV,       /* a small /dev: other requests in its place */
    REQUEST_MASK,      /* what is there becomes empty and unreadable */
    REQUEST_READ_ONLY  /* the bind at this place becomes read-only, after all others */
};

/* One thing to be made visible, in the order given. */
struct bind_request {
    u8 kind;
    bool read_only, optional;
    const char *host;    /* REQUEST_BIND; the text of REQUEST_LINK */
    const char *guest;
    const char *content; /* REQUEST_FILE */
    u32 mode;
    int fd;              /* of `host`, O_PATH */
};

struct launch {
    const char *root;
    bool root_read_only;
    int root_fd;
    struct bind_request requests[REQUEST_LIMIT];
    u32 request_count;
    struct bind_request opened[REQUEST_LIMIT]; /* the same with what they bring along: open.c */
    u32 opened_count;
    u32 options;                 /* OPTION_... of container.h */
    u32 shown_uid, shown_gid;
    const char *owners;          /* file with the table of owners, or NULL */
    int owners_fd;
    const char *image_owners;    /* file of what the image's own files have otherwise than the disk, or NULL */
    int image_owners_fd;         /* -1 without */
    int scratch_parent;          /* directory for scratch.c, -1 without */
    const char *foreign[FOREIGN_LIMIT];
    u32 foreign_count;
    u32 foreign_machine[FOREIGN_LIMIT];
    int foreign_fd[FOREIGN_LIMIT];
    bool landlock;
    const char *join;            /* "PID START" of a running container to enter, or NULL */
    const char *directory;       /* NULL: as it is */
    const char *directory_else;  /* where to go if there is none; NULL: refuse */
    bool create_directory;
    bool caller_directory;       /* the caller's own, if it is visible ... */
    bool bind_directory;         /* ... or else bound */
    const char *caller_path;     /* its host path, NULL if it has none */
    int caller_fd;
    bool from_file;              /* of a launch file that was named */
    const char *label;           /* names the container to whoever looks from outside, or NULL */
    const char *touch;           /* a file whose times are set to now */
    bool nested;                 /* started by a process of another container of this engine */
    struct record settings[SETTING_LIMIT];
    u32 setting_count;
    long parent;                 /* process that started this one */
    char *variables[VARIABLE_LIMIT];
    u32 variable_count;
    char **argv;                 /* ended by NULL */
};

/* --- options.c, launch_file.c: fill it in, or fail --- */
void read_options(struct launch *launch, int argc, char **argv, char **envp);
void read_launch_file(struct launch *launch, const char *path, int fd, char **arguments, char **envp);
/* A comma list for --without. */
u32 options_without(const char *list);

/* --- settings.c: attributes of the process --- */
/* Notes a record of this kind; false: its value is none. */
bool settings_add(struct launch *launch, const struct record *record);
void settings_apply_first(const struct launch *launch); /* descriptors closed, limits */
void settings_apply_last(const struct launch *launch);  /* umask, processors, death of the parent */

/* --- run.c --- */
_Noreturn void run_first(struct launch *launch);
void enter_directory(struct launch *launch);

/* --- open.c --- */
/* Opens all host paths, by the view of the process as it is now. */
void launch_open(struct launch *launch, char **envp);
long open_host(const char *path, bool nested, bool *read_only);

/* --- build.c --- */
/* Makes the description, installs it on the reserved descriptors and at its address. */
void launch_build(struct launch *launch);

/* --- shown.c --- */
/* Fills the table of owners with what the image's own files have otherwise than the disk. */
void show_image_owners(const struct launch *launch);

/* --- join.c --- */
/* Instead of opening and building: takes over the description of a running container. */
void launch_join(const struct launch *launch);

/* --- environment.c --- */
void set_variable(struct launch *launch, char *variable);
void unset_variable(struct launch *launch, const char *name);
const char *get_variable(const struct launch *launch, const char *name);

/* --- requests.c --- */
void add_requests(struct launch *launch);

/* --- targets.c: where a bind goes, and what must be made for it --- */
/* The canonical guest path of a target, into `guest`; what is missing is made, with `mode` for the last name. */
void settle_target(const struct launch *launch, const char *target, char *guest, bool directory, u32 mode);
/* The same without making anything; false: it does not exist. */
bool find_target(const char *target, char *guest, struct stat *status);
/* Makes a symbolic link if there is nothing. */
void make_link(const char *text, const char *target);
/* Adds a bind to the description under construction. */
void add_bind(int fd, const char *guest, u32 flags);
/* A text in the description; its offset. */
u32 keep_text(const char *text);

#define SCRATCH_PREFIX "sampan-intercept-"

/* --- scratch.c: files and directories that exist for one container only --- */
/* Finds a place for them; `variables` is the caller's environment. */
void scratch_find(struct launch *launch, char **variables);
/* A new empty directory, or a file with content; its O_PATH descriptor. */
int scratch_directory(const struct launch *launch, u32 mode);
int scratch_file(const struct launch *launch, const char *content, u32 mode);
/* The descriptor that keeps them alive, -1 if there are none. */
int scratch_keeper(void);

void restrict_files(void);                         /* landlock.c */
_Noreturn void probe(void);                        /* probe.c */
_Noreturn void probe_failed(const char *name, long error); /* before anything else could be tried */

/* The description while it is made: at the address where it will be read. */
#define making ((struct description *)CONTAINER_ADDRESS)

#endif
