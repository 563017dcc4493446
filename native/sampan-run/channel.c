/* Sockets that keep messages apart, so that none is ever read by halves. */
#include "channel.h"

#include "message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void channel_make(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        fail_errno("cannot make a pair of sockets");
}

union passing {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int))];
};

bool channel_send(int fd, enum word word, int value, int passed)
{
    int words[2] = {(int)word, value};
    struct iovec part = {words, sizeof words};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union passing passing;
    if (passed >= 0) {
        memset(&passing, 0, sizeof passing);
        message.msg_control = &passing;
        message.msg_controllen = sizeof passing.space;
        passing.head.cmsg_level = SOL_SOCKET;
        passing.head.cmsg_type = SCM_RIGHTS;
        passing.head.cmsg_len = CMSG_LEN(sizeof passed);
        memcpy(CMSG_DATA(&passing.head), &passed, sizeof passed);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)sizeof words;
}

bool channel_receive(int fd, struct message *message)
{
    int words[2];
    struct iovec part = {words, sizeof words};
    union passing passing;
    struct msghdr head = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &passing, .msg_controllen = sizeof passing.space};
    ssize_t length;
    do
        length = recvmsg(fd, &head, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length != (ssize_t)sizeof words)
        return false;
    *message = (struct message){.word = (enum word)words[0], .value = words[1], .passed = -1};
    const struct cmsghdr *along = CMSG_FIRSTHDR(&head);
    if (along != NULL && along->cmsg_type == SCM_RIGHTS)
        memcpy(&message->passed, CMSG_DATA(along), sizeof message->passed);
    return true;
}
