"""The messages of FUSE, protocol 7, as far as a read-only file system needs them: layouts and constants. Pure.

Written from the kernel's public header (include/uapi/linux/fuse.h, 7.12 to 7.41) and fuse(4). All numbers are in the
machine's byte order; sampan runs on little-endian machines and `=` keeps it right on others.
"""

from __future__ import annotations

import struct

HEAD = struct.Struct("=IIQQIIII")
"""length, opcode, unique, node, uid, gid, pid, extra length and padding."""
OUT = struct.Struct("=IiQ")
"""length, error (negative errno), unique."""
ATTRIBUTES = struct.Struct("=QQQQQQIIIIIIIIII")
"""inode, size, blocks, atime, mtime, ctime, their nanoseconds, mode, links, uid, gid, device, block size, flags."""
ENTRY = struct.Struct("=QQQQII")
"""node, generation, seconds the name is valid, seconds the attributes are valid, their nanoseconds; attributes follow."""
ATTRIBUTES_VALID = struct.Struct("=QII")
NAME = struct.Struct("=QQII")
"""inode, offset of the next one, length of the name, type; the name follows, padded to 8 bytes."""
READ_IN = struct.Struct("=QQIIQII")
INIT_IN = struct.Struct("=IIII")
INIT_OUT = struct.Struct("=IIIIHHIIHHII24x")
STATFS_OUT = struct.Struct("=QQQQQIIII24x")
FORGET_IN = struct.Struct("=Q")
FORGET_ONE = struct.Struct("=QQ")
BATCH_FORGET_IN = struct.Struct("=II")
XATTR_IN = struct.Struct("=II")
XATTR_OUT = struct.Struct("=II")
INVALID_ENTRY_OUT = struct.Struct("=QII")
INVALID_INODE_OUT = struct.Struct("=Qqq")

LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 5, 14, 15, 17, 18
GETXATTR, LISTXATTR, INIT, OPENDIR, READDIR, RELEASEDIR = 22, 23, 26, 27, 28, 29
INTERRUPT, DESTROY, BATCH_FORGET, READDIRPLUS = 36, 38, 42, 44
ACCESS = 34

NOTIFY_INVALID_INODE, NOTIFY_INVALID_ENTRY = 2, 3

MAJOR, MINOR = 7, 38
OLDEST_MINOR = 12  # with it came the lengths of ENTRY, ATTRIBUTES_VALID and INIT_OUT as they are here (Linux 2.6.31)
LONG_INIT_MINOR = 23  # since then INIT_OUT has 64 bytes
SHORT_INIT = 24

ASYNC_READ = 1 << 0
DO_READDIRPLUS = 1 << 13
READDIRPLUS_AUTO = 1 << 14
NO_OPEN_SUPPORT = 1 << 17
PARALLEL_DIROPS = 1 << 18
MAX_PAGES = 1 << 22
CACHE_SYMLINKS = 1 << 23
NO_OPENDIR_SUPPORT = 1 << 24
WANTED = (
    ASYNC_READ | DO_READDIRPLUS | READDIRPLUS_AUTO | NO_OPEN_SUPPORT | PARALLEL_DIROPS | MAX_PAGES | CACHE_SYMLINKS | NO_OPENDIR_SUPPORT
)  # fmt: skip

ROOT = 1
"""The node of the root directory."""
BUFFER = 64 * 1024
"""Bytes of a message at most: the kernel wants 8192 at least, and `MAX_WRITE` with a head; batches of FORGET fill what there is."""
MAX_WRITE = 4096
MAX_READ_PAGES = 256
OPEN_KEEP_CACHE, OPEN_CACHE_DIRECTORY = 1 << 1, 1 << 3
OPEN_OUT = struct.Struct("=QII")
