// A directory seen through FUSE, read-only, with a count of what the kernel asks: what one waits for on a network file system.
// usage: slowfs DIRECTORY COUNTS MOUNTPOINT   (runs until it is unmounted; COUNTS gets a line with the numbers on SIGUSR1)
// Names, links and attributes are kept by the kernel for an hour, as those of a quiet NFS or Lustre are for a job's time.
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *directory;
static const char *counts;
static atomic_long lookups, opens, reads, lists, links, attributes;

#define REAL(name) \
	char name[8192]; \
	snprintf(name, sizeof name, "%s%s", directory, path)

static int fs_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
	REAL(real);
	(void)info;
	lookups++;
	return lstat(real, status) ? -errno : 0;
}

static int fs_readlink(const char *path, char *buffer, size_t size)
{
	REAL(real);
	links++;
	ssize_t got = readlink(real, buffer, size - 1);
	if (got < 0)
		return -errno;
	buffer[got] = 0;
	return 0;
}

static int fs_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info,
		      enum fuse_readdir_flags flags)
{
	REAL(real);
	(void)offset, (void)info, (void)flags;
	lists++;
	DIR *stream = opendir(real);
	if (!stream)
		return -errno;
	for (struct dirent *entry; (entry = readdir(stream));)
		if (fill(buffer, entry->d_name, NULL, 0, 0))
			break;
	closedir(stream);
	return 0;
}

static int fs_open(const char *path, struct fuse_file_info *info)
{
	REAL(real);
	opens++;
	int descriptor = open(real, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return -errno;
	info->fh = (uint64_t)descriptor;
	info->keep_cache = 1;
	return 0;
}

static int fs_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)path;
	reads++;
	ssize_t got = pread((int)info->fh, buffer, size, offset);
	return got < 0 ? -errno : (int)got;
}

static int fs_release(const char *path, struct fuse_file_info *info)
{
	(void)path;
	close((int)info->fh);
	return 0;
}

static int fs_getxattr(const char *path, const char *name, char *value, size_t size)
{
	REAL(real);
	attributes++;
	ssize_t got = lgetxattr(real, name, value, size);
	return got < 0 ? -errno : (int)got;
}

static int fs_statfs(const char *path, struct statvfs *status)
{
	(void)path;
	return statvfs(directory, status) ? -errno : 0;
}

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	connection->max_readahead = 1 << 20;
	connection->want |= connection->capable & FUSE_CAP_CACHE_SYMLINKS;
	config->kernel_cache = 1;
	config->entry_timeout = config->attr_timeout = config->negative_timeout = 3600;
	return NULL;
}

static void tell(int number)
{
	(void)number;
	char line[200];
	int size = snprintf(line, sizeof line, "%ld %ld %ld %ld %ld %ld\n", lookups, opens, reads, lists, links, attributes);
	int descriptor = open(counts, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (descriptor >= 0) {
		if (write(descriptor, line, (size_t)size) < 0)
			_exit(1);
		close(descriptor);
	}
}

static const struct fuse_operations operations = {
	.init = fs_init, .getattr = fs_getattr, .readlink = fs_readlink, .readdir = fs_readdir, .open = fs_open,
	.read = fs_read, .release = fs_release, .getxattr = fs_getxattr, .statfs = fs_statfs,
};

int main(int count, char **words)
{
	if (count != 4)
		return 2;
	directory = words[1];
	counts = words[2];
	signal(SIGUSR1, tell);
	char *arguments[] = {words[0], "-f", "-o", "ro", words[3], NULL};
	return fuse_main(5, arguments, &operations, NULL);
}
