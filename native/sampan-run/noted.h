/* Whom the files of a container belong to by what is noted of them, where the file system knows one owner only. */
#ifndef NOTED_H
#define NOTED_H

#include <stdbool.h>
#include <stdint.h>

struct owner {
    uint32_t uid, gid;
};

/* struct statx of the kernel, without its spare fields. */
struct facts {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, spare;
    uint64_t inode, size, blocks, attributes_mask;
    struct {
        int64_t seconds;
        uint32_t nanoseconds;
        int32_t spare;
    } access, birth, change, modification;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t mount, more[13];
};

struct device {
    char kind; /* `c`, `b`; 0: it is none */
    unsigned major, minor;
};

/* What the disk has otherwise than the image: `path NUL uid:gid:mode NUL` again and again, sorted by path; 0 as length: nothing. */
void noted_image(const char *bytes, uint64_t length);

/* Inodes that take no attribute are noted here, a line each; -1: nowhere but in memory. */
void noted_journal(int fd);

/* What the kernel says of an open thing; false if it says nothing. */
bool noted_look(int fd, struct facts *facts);

/* The owner of an open thing. */
struct owner noted_owner(int fd, const struct facts *facts);

/* Its permission bits: those on disk, or the image's if the disk still has what a tree makes of them. */
unsigned noted_mode(int fd, const struct facts *facts);

/* The device that an open file stands for. */
struct device noted_device(int fd, const struct facts *facts);

/* Notes; 0 or an error number. */
int noted_set_owner(int fd, const struct facts *facts, struct owner owner);
int noted_set_device(int fd, struct device device);

#endif
