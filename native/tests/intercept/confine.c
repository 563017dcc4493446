/* confine KIND PROGRAM...: a program inside a filter of somebody else, as container engines and systemd set them.
 *
 * `docker` refuses with EPERM what their default profiles refuse: namespaces, mounts, ptrace and more. `old-docker` answers ENOSYS to calls that an
 * old libseccomp does not know: openat2, faccessat2, clone3. `no-filter` refuses seccomp filters themselves. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 64

static struct sock_filter filter[4 * MOST];
static unsigned short used;

static void add(unsigned short code, unsigned int k, unsigned char yes, unsigned char no)
{
    filter[used++] = (struct sock_filter){code, yes, no, k};
}

static void refuse(unsigned int number, unsigned int error)
{
    add(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error, 0, 0);
}

/* clone with any of the flags for a new namespace. */
static void refuse_namespaces(void)
{
    add(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]), 0, 0);
    add(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC, 0, 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
    add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

int main(int argc, char **argv)
{
    static const unsigned int docker[] = {
        SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_bpf,
        SYS_perf_event_open, SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter,
        SYS_io_uring_register, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_kcmp, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsmount,
    };
    if (argc < 3)
        return 2;
    add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    if (!strcmp(argv[1], "no-filter")) {
        refuse(SYS_seccomp, EPERM);
        add(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 4);
        add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]), 0, 0);
        add(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1);
        add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
        add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    }
    for (size_t i = 0; i < sizeof docker / sizeof *docker; i++)
        refuse(docker[i], EPERM);
    refuse_namespaces();
    refuse(SYS_clone3, ENOSYS);
    if (!strcmp(argv[1], "old-docker")) {
        refuse(437, ENOSYS); /* openat2 */
        refuse(439, ENOSYS); /* faccessat2 */
        refuse(452, ENOSYS); /* fchmodat2 */
    }
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    struct sock_fprog program = {used, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)) {
        perror("confine");
        return 2;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
