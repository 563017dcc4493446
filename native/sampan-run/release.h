/* What of the caller's the watcher and its helpers let go. */
#ifndef RELEASE_H
#define RELEASE_H

/* Opens /dev/null where a standard stream is closed, so that nothing else gets its number; the payload does not inherit it. */
void streams_fill(void);

/* Points the standard streams from `first` to `last` at /dev/null. */
void streams_silence(int first, int last);

/* Closes all of the caller's descriptors above 2 but `kept` (-1: none): those that execve would keep. Every one of ours is opened
 * with O_CLOEXEC. */
void descriptors_close_callers(int kept);

#endif
