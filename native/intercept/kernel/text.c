#include "text.h"

/* The compiler calls these four by itself. Simple loops would be turned into calls of themselves, hence the string
 * instructions (fast for the short strings here on every x86_64 of the last ten years). */
void *memcpy(void *to, const void *from, size_t count)
{
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    return start;
}

void *memset(void *to, int value, size_t count)
{
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t count)
{
    char *target = to;
    const char *source = from;
    if (target <= source || target >= source + count)
        return memcpy(to, from, count);
    while (count--)
        *(volatile char *)(target + count) = source[count];
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const u8 *left = a, *right = b;
    for (size_t i = 0; i < count; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}

size_t strlen(const char *text)
{
    const volatile char *end = text;
    while (*end)
        end++;
    return (size_t)(end - text);
}

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool text_begins(const char *text, const char *beginning)
{
    while (*beginning)
        if (*text++ != *beginning++)
            return false;
    return true;
}

bool text_is_number(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return length > 0;
}

char *put_text(char *to, const char *text)
{
    size_t length = strlen(text);
    memcpy(to, text, length + 1);
    return to + length;
}

static char *put_digits(char *to, u64 value, unsigned base)
{
    char digits[24];
    int count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count)
        *to++ = digits[--count];
    *to = 0;
    return to;
}

char *put_number(char *to, u64 value)
{
    return put_digits(to, value, 10);
}

char *put_hex(char *to, u64 value)
{
    return put_digits(to, value, 16);
}

char *put_octal(char *to, u64 value)
{
    return put_digits(to, value, 8);
}

bool read_number(const char *text, u64 *value, const char **end)
{
    const char *at = text;
    u64 sum = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (sum > (~0UL - 9) / 10)
            return false;
        sum = sum * 10 + (u64)(*at - '0');
    }
    if (end)
        *end = at;
    else if (*at)
        return false;
    *value = sum;
    return at != text;
}

bool read_octal(const char *text, u64 *value)
{
    u64 sum = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '7' && sum < 010000000; at++)
        sum = sum * 8 + (u64)(*at - '0');
    *value = sum;
    return at != text && !*at;
}

size_t base_offset(const char *path, size_t length)
{
    while (length && path[length - 1] != '/')
        length--;
    return length;
}
