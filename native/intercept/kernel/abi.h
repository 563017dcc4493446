/* What the kernel's interface looks like on every architecture: numbers and structures of the calls that the engine makes or
 * reads. Written out here because the build has only a compiler: neither libc nor (under musl-gcc) kernel headers.
 * What differs between architectures is in its directory, `abi.h`. Sources: include/uapi of the kernel, and its manual pages. */
#ifndef SAMPAN_ABI_H
#define SAMPAN_ABI_H

#include "../x86_64/abi.h"
#include "types.h"

enum {
    EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, E2BIG = 7, ENOEXEC = 8, EBADF = 9, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EFAULT = 14,
    EBUSY = 16, EEXIST = 17, EXDEV = 18, ENODEV = 19, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, EMFILE = 24, ENOTTY = 25, ETXTBSY = 26,
    ENOSPC = 28, EROFS = 30, EPIPE = 32, ERANGE = 34, ENAMETOOLONG = 36, ENOSYS = 38, ENOTEMPTY = 39, ELOOP = 40, ENODATA = 61,
    EOVERFLOW = 75, ELIBBAD = 80, EADDRINUSE = 98, EOPNOTSUPP = 95, ENOTSOCK = 88, ECONNREFUSED = 111
};

/* --- files --- */
#define AT_FDCWD (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_EACCESS 0x200 /* faccessat2 */
#define AT_REMOVEDIR 0x200
#define AT_SYMLINK_FOLLOW 0x400
#define AT_NO_AUTOMOUNT 0x800
#define AT_EMPTY_PATH 0x1000
#define AT_STATX_SYNC_TYPE 0x6000

#define O_ACCMODE 3
#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000
#define O_NONBLOCK 04000
#define O_CLOEXEC 02000000
#define O_PATH 010000000
#define O_TMPFILE_BIT 020000000 /* O_TMPFILE is this and O_DIRECTORY */
#define O_KNOWN 037777703       /* what open(2) does not ignore: VALID_OPEN_FLAGS */

#define RESOLVE_NO_XDEV 0x01
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS 0x04
#define RESOLVE_BENEATH 0x08
#define RESOLVE_IN_ROOT 0x10
#define RESOLVE_CACHED 0x20

struct open_how {
    u64 flags, mode, resolve;
};

#define S_IFMT 0170000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define S_IFREG 0100000
#define S_IFIFO 0010000
#define S_IFLNK 0120000
#define S_IFSOCK 0140000
#define S_ISUID 04000
#define S_ISGID 02000
#define S_ISVTX 01000

#define R_OK 4
#define W_OK 2
#define X_OK 1

struct statx_time {
    u64 sec;
    u32 nsec, pad;
};

struct statx {
    u32 mask, blksize;
    u64 attributes;
    u32 nlink, uid, gid;
    u16 mode, pad;
    u64 ino, size, blocks, attributes_mask;
    struct statx_time atime, btime, ctime, mtime;
    u32 rdev_major, rdev_minor, dev_major, dev_minor;
    u64 mnt_id, rest[13];
};
#define STATX_TYPE 1u
#define STATX_MODE 2u
#define STATX_UID 8u
#define STATX_GID 16u
#define STATX_INO 256u

struct statfs {
    long type, bsize;
    u64 blocks, bfree, bavail, files, ffree;
    int fsid[2];
    long namelen, frsize, flags, spare[4];
};
#define PROC_SUPER_MAGIC 0x9fa0
#define ST_RDONLY 1
#define ST_NOEXEC 8

struct dirent64 {
    u64 ino, off;
    u16 reclen;
    u8 type;
    char name[];
};
#define DT_DIR 4
#define DT_REG 8

#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define FD_CLOEXEC 1
#define SEEK_SET 0
#define SEEK_CUR 1
#define CLOSE_RANGE_UNSHARE 2

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

#define UTIME_NOW 0x3fffffffL
#define UTIME_OMIT 0x3ffffffeL
#define XATTR_NAME_MAX 255
#define MFD_CLOEXEC 1
#define IN_DONT_FOLLOW 0x02000000
#define IN_ONLYDIR 0x01000000

#define RLIMIT_DATA 2
#define RLIMIT_NOFILE 7
#define RLIMIT_AS 9
struct rlimit {
    u64 soft, hard;
};

/* --- memory --- */
#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define PROT_GROWSDOWN 0x01000000
#define MAP_SHARED 0x01
#define MAP_PRIVATE 0x02
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_NORESERVE 0x4000
#define MAP_FIXED_NOREPLACE 0x100000

/* --- processes --- */
#define CLONE_VM 0x100u
#define CLONE_FS 0x200u
#define CLONE_FILES 0x400u
#define CLONE_SIGHAND 0x800u
#define CLONE_VFORK 0x4000u
#define CLONE_THREAD 0x10000u
#define CLONE_NEWNS 0x20000u
#define CLONE_NEWTIME 0x80u
#define CLONE_NEW_ANY 0x7e020000u /* cgroup uts ipc user pid net, mount; time (0x80) only in unshare */

#define PR_SET_KEEPCAPS 8
#define PR_SET_NAME 15
#define PR_GET_SECCOMP 21
#define PR_SET_SECCOMP 22
#define PR_SET_NO_NEW_PRIVS 38
#define PR_SET_PDEATHSIG 1
#define PR_SET_DUMPABLE 4
#define PR_SET_MM 35
#define PR_SET_MM_MAP 14
struct memory_map { /* struct prctl_mm_map */
    u64 start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start, arg_end, env_start, env_end;
    const u64 *auxv;
    u32 auxv_size, exe_fd;
};
#define PR_SET_SYSCALL_USER_DISPATCH 59

#define ADDR_NO_RANDOMIZE 0x0040000

/* --- signals --- */
#define SIGTRAP 5
#define SIGKILL 9
#define SIGBUS 7
#define SIGSEGV 11
#define SIGSTOP 19
#define SIGSYS 31
#define SIGNAL_BIT(signal) (1UL << ((signal)-1))
#define SIG_DFL 0UL
#define SIG_IGN 1UL
#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define SA_SIGINFO 4UL
#define SA_RESTORER 0x04000000UL
#define SA_ONSTACK 0x08000000UL
#define SA_RESTART 0x10000000UL
#define SA_NODEFER 0x40000000UL
#define SA_RESETHAND 0x80000000UL
#define SS_ONSTACK 1
#define SS_DISABLE 2
#define SS_AUTODISARM 0x80000000u
#define MINSIGSTKSZ 2048
#define SYS_SECCOMP 1 /* si_code */

struct sigaction {
    u64 handler, flags, restorer, mask;
};
struct sigaltstack {
    u64 sp;
    u32 flags, pad;
    u64 size;
};
struct siginfo {
    i32 number, error, code, pad;
    u64 address; /* of a fault, or of the call that a filter stopped */
    i32 syscall;
    u32 arch;
};

/* --- sockets --- */
#define AF_UNIX 1
#define SOL_SOCKET 1
#define SOCK_DGRAM 2
#define SO_TYPE 3
#define SO_DOMAIN 39
#define SCM_RIGHTS 1
#define SO_PEERCRED 17
#define UNIX_PATH_LIMIT 108
struct sockaddr_un {
    u16 family;
    char path[UNIX_PATH_LIMIT];
};
struct msghdr {
    struct sockaddr_un *name;
    u32 name_length, pad;
    void *iov;
    u64 iov_count;
    void *control;
    u64 control_length;
    u32 flags, pad2;
};
struct mmsghdr {
    struct msghdr header;
    u32 length, pad;
};
struct cmsghdr {
    u64 length;
    i32 level, type;
};

/* --- seccomp --- */
#define SECCOMP_SET_MODE_STRICT 0
#define SECCOMP_SET_MODE_FILTER 1
#define SECCOMP_GET_ACTION_AVAIL 2
#define SECCOMP_MODE_FILTER 2
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW 4
#define SECCOMP_FILTER_FLAG_NEW_LISTENER 8
#define SECCOMP_RET_TRAP 0x00030000u
#define SECCOMP_RET_ERRNO 0x00050000u
#define SECCOMP_RET_ALLOW 0x7fff0000u
struct seccomp_data {
    i32 nr;
    u32 arch;
    u64 instruction_pointer, args[6];
};
struct sock_filter {
    u16 code;
    u8 jt, jf;
    u32 k;
};
struct sock_fprog {
    u16 len;
    struct sock_filter *filter;
};
#define BPF_LD_W_ABS 0x20
#define BPF_JMP_JA 0x05
#define BPF_JMP_JEQ_K 0x15
#define BPF_JMP_JGT_K 0x25
#define BPF_JMP_JGE_K 0x35
#define BPF_JMP_JSET_K 0x45
#define BPF_ALU_AND_K 0x54
#define BPF_RET_K 0x06

#endif
