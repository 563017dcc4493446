/* Names of AF_UNIX sockets in every call that takes or gives one. Starts in an empty directory that is /work. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t make(struct sockaddr_un *address, const char *path)
{
    size_t length = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length < sizeof address->sun_path ? length : sizeof address->sun_path);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (length < sizeof address->sun_path));
}

static void show(const char *what, const struct sockaddr_un *address, socklen_t length)
{
    printf("%s: %d bytes", what, (int)length);
    if (length > 2)
        printf(" %s%.*s", address->sun_path[0] ? "" : "@", (int)(length > 110 ? 108 : length - 2 - !address->sun_path[0]),
               address->sun_path + !address->sun_path[0]);
    puts("");
}

static void names(const char *what, int fd)
{
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    char text[64];
    snprintf(text, sizeof text, "%s own", what);
    if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
        show(text, &address, length);
    length = sizeof address;
    snprintf(text, sizeof text, "%s peer", what);
    if (getpeername(fd, (struct sockaddr *)&address, &length) == 0)
        show(text, &address, length);
    char small[10];
    length = sizeof small;
    if (getsockname(fd, (struct sockaddr *)small, &length) == 0)
        printf("%s in little room: %d bytes %.7s\n", what, (int)length, length > 2 ? small + 2 : "");
}

static void stream(const char *path)
{
    struct sockaddr_un address, from;
    socklen_t length = make(&address, path), from_length = sizeof from;
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    printf("== stream %s\n", path);
    if (bind(server, (struct sockaddr *)&address, length)) {
        printf("bind: %s\n", strerror(errno));
        goto end;
    }
    listen(server, 5);
    names("server", server);
    if (connect(client, (struct sockaddr *)&address, length)) {
        printf("connect: %s\n", strerror(errno));
        goto end;
    }
    int accepted = accept(server, (struct sockaddr *)&from, &from_length);
    show("accepted from", &from, from_length);
    names("accepted", accepted);
    names("client", client);
    char byte = 'x';
    printf("%zd\n", write(client, &byte, 1));
    printf("%zd\n", read(accepted, &byte, 1));
    close(accepted);
end:
    close(server);
    close(client);
}

/* The longest names work, whatever they are shown as. */
static void reachable(const char *path)
{
    struct sockaddr_un address;
    socklen_t length = make(&address, path);
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    printf("long name: %d", bind(server, (struct sockaddr *)&address, length));
    printf(" %d", listen(server, 1));
    printf(" %d\n", connect(client, (struct sockaddr *)&address, length));
    close(server);
    close(client);
}

static void datagram(const char *path, const char *own)
{
    struct sockaddr_un address, mine, from;
    socklen_t length = make(&address, path), mine_length = make(&mine, own), from_length = sizeof from;
    int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
    char text[16];
    printf("== datagram %s %s\n", path, own);
    printf("bind %d\n", bind(server, (struct sockaddr *)&address, length));
    printf("bind %d\n", bind(client, (struct sockaddr *)&mine, mine_length));
    printf("sendto %zd\n", sendto(client, "one", 3, 0, (struct sockaddr *)&address, length));
    printf("recvfrom %zd\n", recvfrom(server, text, sizeof text, 0, (struct sockaddr *)&from, &from_length));
    show("from", &from, from_length);
    struct iovec part = {(char *)"two", 3};
    struct msghdr message = {.msg_name = &address, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
    printf("sendmsg %zd\n", sendmsg(client, &message, 0));
    part.iov_base = text;
    part.iov_len = sizeof text;
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    printf("recvmsg %zd\n", recvmsg(server, &message, 0));
    show("from", &from, message.msg_namelen);
    struct mmsghdr many[2];
    struct iovec parts[2] = {{(char *)"three", 5}, {(char *)"four", 4}};
    for (int i = 0; i < 2; i++)
        many[i].msg_hdr = (struct msghdr){.msg_name = &address, .msg_namelen = length, .msg_iov = &parts[i], .msg_iovlen = 1};
    printf("sendmmsg %d\n", sendmmsg(client, many, 2, 0));
    printf("%u %u\n", many[0].msg_len, many[1].msg_len);
    printf("recv %zd\n", recv(server, text, sizeof text, 0));
    printf("recv %zd\n", recv(server, text, sizeof text, 0));
    /* By an unconnected address that does not exist, or is no socket. */
    length = make(&address, "/work/nobody");
    printf("sendto nobody %zd %s\n", sendto(client, "x", 1, 0, (struct sockaddr *)&address, length), strerror(errno));
    length = make(&address, "/etc/passwd");
    printf("sendto a file %zd %s\n", sendto(client, "x", 1, 0, (struct sockaddr *)&address, length), strerror(errno));
    close(server);
    close(client);
}

static void descriptors(void)
{
    int pair[2], sent = open("/etc/passwd", O_RDONLY);
    char room[CMSG_SPACE(sizeof(int))] = {0}, text[8] = "";
    struct iovec part = {text, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(item), &sent, sizeof sent);
    printf("send a descriptor %zd\n", sendmsg(pair[0], &message, 0));
    printf("receive %zd\n", recvmsg(pair[1], &message, 0));
    int got;
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    printf("read %zd\n", read(got, text, 4));
    printf("%.4s\n", text);
    int reserved = 1030;
    message.msg_controllen = sizeof room;
    memcpy(CMSG_DATA(item), &reserved, sizeof reserved);
    printf("send one that is not there %zd %s\n", sendmsg(pair[0], &message, 0), strerror(errno));
    names("pair", pair[0]);
}

int main(void)
{
    char path[200];
    alarm(20);
    umask(022);
    mkdir("d", 0755);
    symlink("d", "link");
    symlink("/work/d/target", "link-to-socket");
    stream("plain");
    stream("./dotted");
    stream("d/below");
    stream("link/through");
    stream("d/../up");
    stream("/work/absolute");
    stream("/work/link/absolute");
    stream("/work/d/../odd");
    stream("/work/nowhere/x");
    stream("/work/absolute");
    stream("/etc/passwd");
    stream("link-to-socket");
    stream("");
    /* Names up to the limit, in a directory with a long name. */
    memset(path, 0, sizeof path);
    strcpy(path, "/work/");
    memset(path + 6, 'l', 60);
    mkdir(path, 0755);
    strcat(path, "/short");
    stream(path);
    memset(path + 67, 's', 17);
    stream(path);
    memset(path + 67, 's', 40);
    path[107] = 0;
    reachable(path);
    path[107] = 's';
    path[108] = 0;
    reachable(path);
    datagram("/work/receiver", "/work/sender");
    datagram("receiver2", "sender2");
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0abstract"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    printf("abstract %d\n", bind(fd, (struct sockaddr *)&address, 11));
    names("abstract", fd);
    descriptors();
    struct stat st;
    printf("kind %o %o\n", lstat("plain", &st) ? 0 : (unsigned)st.st_mode, lstat("/work/absolute", &st) ? 0 : (unsigned)st.st_mode);
    return 0;
}
