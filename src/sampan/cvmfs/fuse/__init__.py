"""A read-only file system by the kernel's FUSE protocol, with no library between: messages, server, mounting."""
