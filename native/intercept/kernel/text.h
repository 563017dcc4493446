/* Strings and numbers without a libc. */
#ifndef SAMPAN_TEXT_H
#define SAMPAN_TEXT_H

#include "types.h"

void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);

bool text_equal(const char *a, const char *b);
bool text_begins(const char *text, const char *beginning);
bool text_is_number(const char *text, size_t length);

/* Appends to a buffer that is known to be large enough; the result points to the new NUL. */
char *put_text(char *to, const char *text);
char *put_number(char *to, u64 value);
char *put_hex(char *to, u64 value);
char *put_octal(char *to, u64 value);

/* Reads digits up to the first other byte; `*end` (if wanted) points there. False: no digit, or too large. */
bool read_number(const char *text, u64 *value, const char **end);
bool read_octal(const char *text, u64 *value);

/* Length of the last component's beginning: offset of what follows the last slash before `length`. */
size_t base_offset(const char *path, size_t length);

#endif
