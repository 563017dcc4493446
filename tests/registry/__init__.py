"""The registry client against real registries and our own faulty one."""
