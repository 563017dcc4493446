/* Test program for resolve(): `resolve WITHOUT ROOT follow|stay PATH...` prints a line for each path: what it is and where (device
 * and inode), where it is missing, or the error. */
#include "../sampan-run/kernel.h"
#include "../sampan-run/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void print_place(const struct place *place)
{
    struct stat st;
    if (!place->exists) {
        printf("missing %s below /%s\n", place->rest, place->path);
        return;
    }
    if (fstat(place->fd, &st) != 0)
        return;
    const char *type = S_ISDIR(st.st_mode) ? "directory" : S_ISLNK(st.st_mode) ? "link" : "other";
    printf("%s %llu:%llu\n", type, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
}

int main(int count, char **words)
{
    static struct place place;
    if (count < 5 || !kernel_without(words[1]))
        return 2;
    int root = open(words[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 4; i < count; i++) {
        if (resolve(root, words[i], strcmp(words[3], "follow") == 0, &place) != 0) {
            printf("error %s\n", strerror(errno));
            continue;
        }
        print_place(&place);
        close(place.fd);
    }
    return close(root);
}
