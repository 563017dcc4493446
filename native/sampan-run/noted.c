/* An owner is noted as an extended attribute of the inode, which goes with it through renames, links and the overlay's copying up.
 * Symbolic links, FIFOs and files on some file systems take none: these are remembered by their inode, and written to a journal, which
 * names an inode by number and birth, so that a later one of the same number is not taken for it. Of what nothing is noted the image
 * says the owner, by path; the rest is root's. The image also knows modes that its tree on disk has not, which is never setuid.
 *
 * The current directory is a /proc, whatever the payload does to its own: `self/fd/N` is a thing by its descriptor. */
#include "noted.h"

#include "descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

enum { REMEMBERED = 1 << 14, LOOK = 0x7ff | 0x800 | 0x1000 }; /* STATX_BASIC_STATS, _BTIME, _MNT_ID */

static const char OWNER_NAME[] = "user.sampan.owner", DEVICE_NAME[] = "user.sampan.device";

static struct {
    uint64_t inode, birth;
    uint32_t major, minor;
    struct owner owner;
    bool used;
} remembered[REMEMBERED];

static const char **lines; /* of the image, sorted */
static size_t line_count;
static int journal = -1;

static struct descriptor_path by_descriptor(int fd)
{
    struct descriptor_path path;
    snprintf(path.text, sizeof path.text, "self/fd/%d", fd);
    return path;
}

void noted_image(const char *bytes, uint64_t length)
{
    size_t count = 0;
    for (uint64_t at = 0; at < length; at++)
        count += bytes[at] == '\0';
    count /= 2;
    void *space = count == 0 ? MAP_FAILED : mmap(NULL, count * sizeof *lines, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (space == MAP_FAILED)
        return;
    lines = space;
    for (const char *line = bytes; line_count < count; line_count++) {
        lines[line_count] = line;
        line += strlen(line) + 1;
        line += strlen(line) + 1;
    }
}

void noted_journal(int fd)
{
    journal = fd;
}

bool noted_look(int fd, struct facts *facts)
{
    return syscall(SYS_statx, fd, "", AT_EMPTY_PATH, LOOK, facts) == 0;
}

/* `UID:GID`, and with `rest` something behind it. */
static bool parse(const char *text, struct owner *owner, const char **rest)
{
    char *end;
    unsigned long uid = strtoul(text, &end, 10);
    if (end == text || *end != ':')
        return false;
    const char *group = end + 1;
    unsigned long gid = strtoul(group, &end, 10);
    if (end == group || (*end != '\0' && rest == NULL) || uid > UINT32_MAX - 1UL || gid > UINT32_MAX - 1UL)
        return false;
    *owner = (struct owner){(uint32_t)uid, (uint32_t)gid};
    if (rest != NULL)
        *rest = end;
    return true;
}

/* In nanoseconds; 0 if the file system does not tell. */
static uint64_t birth_of(const struct facts *facts)
{
    return (facts->mask & 0x800) == 0 ? 0 : /* STATX_BTIME */
               (uint64_t)facts->birth.seconds * 1000000000ULL + facts->birth.nanoseconds;
}

/* Where the inode is remembered, or would be; -1 if there is no room. */
static long place_of(const struct facts *facts)
{
    uint64_t mixed = (facts->inode ^ ((uint64_t)facts->dev_minor << 40)) * 0x9E3779B97F4A7C15ULL;
    for (long tries = 0; tries < REMEMBERED; tries++) {
        long at = (long)((mixed >> 32) + (uint64_t)tries) % REMEMBERED;
        if (!remembered[at].used)
            return at;
        if (remembered[at].inode == facts->inode && remembered[at].birth == birth_of(facts) &&
            remembered[at].major == facts->dev_major && remembered[at].minor == facts->dev_minor)
            return at;
    }
    return -1;
}

/* What the image says of the path of an open thing: its owner, and its mode or 0. False if it says nothing. */
static bool of_image(int fd, struct owner *owner, unsigned *mode)
{
    const char *rest;
    char path[4096 + 1];
    ssize_t length = line_count == 0 ? -1 : readlink(by_descriptor(fd).text, path, sizeof path - 1);
    size_t low = 0, high = line_count;
    if (length <= 1)
        return false;
    path[length] = '\0';
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(lines[middle], path + 1);
        if (order == 0 && parse(lines[middle] + strlen(lines[middle]) + 1, owner, &rest)) {
            *mode = *rest == ':' ? (unsigned)strtoul(rest + 1, NULL, 8) & 07777 : 0;
            return true;
        }
        if (order == 0)
            return false;
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return false;
}

static bool takes_attributes(const struct facts *facts)
{
    return S_ISREG(facts->mode) || S_ISDIR(facts->mode);
}

struct owner noted_owner(int fd, const struct facts *facts)
{
    struct owner owner = {0, 0};
    char text[32];
    ssize_t length = takes_attributes(facts) ? getxattr(by_descriptor(fd).text, OWNER_NAME, text, sizeof text - 1) : -1;
    if (length >= 0) {
        text[length] = '\0';
        if (parse(text, &owner, NULL))
            return owner;
    }
    long at = place_of(facts);
    if (at >= 0 && remembered[at].used)
        return remembered[at].owner;
    unsigned mode;
    of_image(fd, &owner, &mode);
    return owner;
}

unsigned noted_mode(int fd, const struct facts *facts)
{
    unsigned mode = facts->mode & 07777, images;
    struct owner owner;
    if (!takes_attributes(facts) || !of_image(fd, &owner, &images))
        return mode;
    return mode == ((images & 0755) | (S_ISDIR(facts->mode) ? 0700 : 0400)) ? images : mode;
}

struct device noted_device(int fd, const struct facts *facts)
{
    struct device device = {0, 0, 0};
    char text[32], *end;
    if (!S_ISREG(facts->mode) || facts->size != 0)
        return device;
    ssize_t length = getxattr(by_descriptor(fd).text, DEVICE_NAME, text, sizeof text - 1);
    if (length < 3 || (text[0] != 'c' && text[0] != 'b') || text[1] != ' ')
        return device;
    text[length] = '\0';
    device.major = (unsigned)strtoul(text + 2, &end, 10);
    device.minor = (unsigned)strtoul(end, NULL, 10);
    device.kind = text[0];
    return device;
}

static void write_line(const struct facts *facts, struct owner owner)
{
    if (journal >= 0)
        dprintf(journal, "%llu %llu %u:%u\n", (unsigned long long)facts->inode, (unsigned long long)birth_of(facts), owner.uid,
                owner.gid);
}

int noted_set_owner(int fd, const struct facts *facts, struct owner owner)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%u:%u", owner.uid, owner.gid);
    if (takes_attributes(facts)) {
        if (setxattr(by_descriptor(fd).text, OWNER_NAME, text, (size_t)length, 0) == 0)
            return 0;
        if (errno == EROFS || errno == EDQUOT || errno == EIO)
            return errno;
    }
    long at = place_of(facts);
    if (at >= 0) {
        remembered[at].inode = facts->inode;
        remembered[at].birth = birth_of(facts);
        remembered[at].major = facts->dev_major;
        remembered[at].minor = facts->dev_minor;
        remembered[at].owner = owner;
        remembered[at].used = true;
    }
    write_line(facts, owner);
    return 0;
}

int noted_set_device(int fd, struct device device)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%c %u %u", device.kind, device.major, device.minor);
    return setxattr(by_descriptor(fd).text, DEVICE_NAME, text, (size_t)length, 0) == 0 ? 0 : EPERM;
}
