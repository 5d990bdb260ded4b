/* floor STORE RUN LAYER PROGRAM: the least that `mydocker run --rm --network none` can cost. The same steps, in the same three
 * processes, with the same promises (a record that a power cut leaves whole or not at all, a monitor that outlives the caller, a
 * log, a deletion after the answer), in C: nothing is parsed, decided, checked for a reader's sake or said when it goes wrong.
 * FLOOR_BARE=1 leaves out what is not the kernel's: the seal, the record, the monitor, the log. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(call) do { if ((call) < 0) { perror("floor: " #call); _exit(125); } } while (0)
#define READ_ONLY (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define DOCKERS_CAPABILITIES 0xa80425fbu

static char id[33], record[256], gone[256], name[256], run[256], events[256];
static char cgroups[16][256], controllers[16][64];
static int hierarchies, version2, bare;
static const char *layer, *program;

static void put(const char *path, const char *text, size_t size, int flags) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    MUST(fd);
    MUST(write(fd, text, size));
    close(fd);
}

static void tell(void) {
    char line[350];
    memset(line, '.', sizeof line);
    put(events, line, sizeof line, O_APPEND);
}

/* A file that replaces another at once. */
static void replace(const char *dir, const char *file, size_t size) {
    char new[300], old[300], text[512];
    memset(text, '.', sizeof text);
    snprintf(new, sizeof new, "%s/.%s.new", dir, file);
    snprintf(old, sizeof old, "%s/%s", dir, file);
    put(new, text, size, O_EXCL);
    MUST(rename(new, old));
}

/* The program's own file, read-only from here on: what runs in the container cannot write to it. */
static void seal(char **argv) {
    if (argv[0][0] == '-')
        return;
    int fd = syscall(SYS_open_tree, AT_FDCWD, "/proc/self/exe", 1 | O_CLOEXEC);
    struct { unsigned long long set, clear, propagation, user; } attributes = { 1, 0, 0, 0 };
    MUST(fd);
    MUST(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof attributes));
    argv[0] = "-floor";
    syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
    MUST(-1);
}

/* Every hierarchy of controllers that is mounted, or the second version alone. */
static void find_cgroups(void) {
    char line[1024], at[256], kind[32], options[128];
    FILE *mounts = fopen("/proc/self/mounts", "re");
    while (fgets(line, sizeof line, mounts)) {
        if (sscanf(line, "%*s %255s %31s %127s", at, kind, options) != 3)
            continue;
        if (!strcmp(kind, "cgroup2") && !hierarchies) {
            version2 = hierarchies = 1;
            snprintf(cgroups[0], sizeof cgroups[0], "%.200s/mydocker-%s", at, id);
        } else if (!strcmp(kind, "cgroup") && !strstr(options, "name=") && hierarchies < 16 && !version2) {
            snprintf(controllers[hierarchies], 64, "%.63s", strrchr(at, '/') + 1);
            snprintf(cgroups[hierarchies++], sizeof cgroups[0], "%.200s/mydocker-%s", at, id);
        }
    }
    fclose(mounts);
}

static void copy_of_parent(const char *cgroup, const char *file) {
    char path[600], text[64];
    snprintf(path, sizeof path, "%s/../%s", cgroup, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, text, sizeof text);
    close(fd);
    snprintf(path, sizeof path, "%s/%s", cgroup, file);
    put(path, text, size, 0);
}

/* The container's cgroups; `into` are descriptors that let the child join. */
static void make_cgroups(int *into) {
    static const char *devices[] = { "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",
                                     "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm" };
    for (int n = 0; n < hierarchies; n++) {
        char path[300];
        MUST(mkdir(cgroups[n], 0755));
        if (version2) {
            into[n] = open(cgroups[n], O_PATH | O_DIRECTORY | O_CLOEXEC);
            continue;
        }
        if (!strcmp(controllers[n], "cpuset")) {
            copy_of_parent(cgroups[n], "cpuset.cpus");
            copy_of_parent(cgroups[n], "cpuset.mems");
        }
        if (!strcmp(controllers[n], "devices")) {
            snprintf(path, sizeof path, "%s/devices.deny", cgroups[n]);
            put(path, "a", 1, 0);
            snprintf(path, sizeof path, "%s/devices.allow", cgroups[n]);
            int fd = open(path, O_WRONLY | O_CLOEXEC);
            for (size_t k = 0; k < sizeof devices / sizeof *devices; k++)
                MUST(write(fd, devices[k], strlen(devices[k])));
            close(fd);
        }
        snprintf(path, sizeof path, "%s/tasks", cgroups[n]);
        MUST(into[n] = open(path, O_WRONLY | O_CLOEXEC));
    }
}

static void stand(const char *from, const char *to, unsigned long flags) {
    if (mount(from, to, 0, MS_BIND | MS_REC, 0) == 0 && flags)
        MUST(mount(0, to, 0, MS_BIND | MS_REMOUNT | flags, 0));
}

static void mount_all(void) {
    static const struct { const char *path; int major, minor; } nodes[] = {
        { "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 },
        { "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
    };
    static const char *links[][2] = { { "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" },
        { "/proc/self/fd/1", "dev/stdout" }, { "/proc/self/fd/2", "dev/stderr" }, { "pts/ptmx", "dev/ptmx" } };
    static const char *fixed[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };
    static const char *files[] = { "proc/kcore", "proc/keys", "proc/timer_list" };
    static const char *dirs[] = { "proc/acpi", "proc/scsi", "sys/firmware" };
    static const char *own[] = { "hosts", "hostname", "resolv.conf" };
    char text[600], path[300];

    MUST(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0));
    MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k"));
    for (size_t n = 0; n < sizeof nodes / sizeof *nodes; n++)
        MUST(mknod(nodes[n].path, S_IFCHR | 0666, makedev(nodes[n].major, nodes[n].minor)));
    MUST(mkdir("dev/pts", 0755));
    MUST(mkdir("dev/shm", 01777));
    MUST(mkdir("dev/mqueue", 0755));
    MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    MUST(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k"));
    MUST(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0));
    for (size_t n = 0; n < sizeof links / sizeof *links; n++)
        MUST(symlink(links[n][0], links[n][1]));
    for (size_t n = 0; n < sizeof fixed / sizeof *fixed; n++)
        stand(fixed[n], fixed[n], READ_ONLY);
    for (size_t n = 0; n < sizeof files / sizeof *files; n++)
        stand("dev/null", files[n], 0);
    MUST(mount("sysfs", "sys", "sysfs", READ_ONLY, 0));
    for (size_t n = 0; n < sizeof dirs / sizeof *dirs; n++)
        mount("tmpfs", dirs[n], "tmpfs", READ_ONLY, "size=0"); /* not everywhere */
    if (version2)
        MUST(mount("cgroup", "sys/fs/cgroup", "cgroup2", READ_ONLY, 0));
    else
        MUST(mount("tmpfs", "sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"));
    for (int n = 0; n < hierarchies && !version2; n++) {
        snprintf(text, sizeof text, "sys/fs/cgroup/%s", controllers[n]);
        MUST(mkdir(text, 0755));
        MUST(mount("cgroup", text, "cgroup", READ_ONLY, controllers[n]));
    }
    if (!version2)
        MUST(mount(0, "sys/fs/cgroup", 0, MS_REMOUNT | MS_BIND | READ_ONLY, 0));
    if (bare)
        return;
    put(".dockerenv", "", 0, O_EXCL);
    for (size_t n = 0; n < sizeof own / sizeof *own; n++) {
        snprintf(text, sizeof text, "%s/%s", record, own[n]);
        snprintf(path, sizeof path, "etc/%s", own[n]);
        put(path, "", 0, 0);
        stand(text, path, 0);
    }
}

/* A search tree over ranges of system calls, as deep as a real profile's; every step is one comparison. */
static struct sock_filter filter[256];
static int length = 4;
static void tree(int from, int to) {
    if (to - from == 1) {
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        return;
    }
    int middle = (from + to) / 2, at = length++;
    tree(from, middle);
    filter[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, middle * 8, length - at - 1, 0);
    tree(middle, to);
}

static void lock_up(void) {
    struct sock_filter head[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct set[2] = { { DOCKERS_CAPABILITIES, DOCKERS_CAPABILITIES, 0 }, { 0, 0, 0 } };
    gid_t root = 0;

    syscall(SYS_keyctl, 1, 0); /* a session keyring of its own */
    for (int n = 0; prctl(PR_CAPBSET_READ, n) >= 0; n++)
        if (n > 31 || !(DOCKERS_CAPABILITIES >> n & 1))
            prctl(PR_CAPBSET_DROP, n);
    MUST(setgroups(1, &root));
    for (int n = 1; n < 65; n++)
        signal(n, SIG_DFL);
    memcpy(filter, head, sizeof head);
    tree(0, 60);
    struct sock_fprog compiled = { length, filter };
    MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &compiled));
    MUST(syscall(SYS_capset, &header, set));
}

static void child(const int *into, int out, int err) {
    char text[700];
    char *arguments[] = { "true", 0 }, *environment[] = { "PATH=/bin", 0 };

    for (int n = 0; n < hierarchies && !version2; n++)
        MUST(write(into[n], "0", 1));
    MUST(unshare(CLONE_NEWCGROUP));
    MUST(sethostname(id, 12));
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    MUST(ioctl(fd, SIOCSIFFLAGS, &lo));
    MUST(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
    snprintf(text, sizeof text, "lowerdir=%s,upperdir=upper,workdir=work,volatile", layer);
    MUST(mount("overlay", "root", "overlay", 0, text));
    MUST(chdir("root"));
    mount_all();
    MUST(syscall(SYS_pivot_root, ".", "."));
    MUST(umount2(".", MNT_DETACH));
    MUST(chdir("/"));
    if (!bare) {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(fd, 0), dup2(out, 1), dup2(err, 2);
    }
    setsid();
    lock_up();
    execve(program, arguments, environment);
    MUST(-1);
}

/* clone(2) as fork, with new namespaces; born in the cgroup where that exists. */
static pid_t born(int *pidfd, int cgroup) {
    struct clone_args arguments = {
        .flags = CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET,
        .pidfd = (unsigned long)pidfd, .exit_signal = SIGCHLD,
    };
    if (version2) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup;
    }
    return syscall(SYS_clone3, &arguments, sizeof arguments);
}

static void copy(int from, int log, int to) {
    char text[65536];
    ssize_t size = read(from, text, sizeof text);
    if (size > 0 && write(log, text, size) + write(to, text, size) < 0)
        _exit(125);
}

static void clean(void) {
    static const char *parts[] = { "work/work/incompat/volatile/dirty", "work/work/incompat/volatile", "work/work/incompat",
        "work/work", "work", "upper/.dockerenv", "upper/etc/hostname", "upper/etc/resolv.conf", "upper/etc/hosts", "upper/etc",
        "upper", "root", "hosts", "hostname", "resolv.conf", "log", "lock", "config.json", "state.json", "" };
    MUST(chdir(gone));
    for (size_t n = 0; n < sizeof parts / sizeof *parts; n++)
        if (unlink(parts[n]) < 0)
            rmdir(parts[n]);
    rmdir(gone);
}

/* The monitor: brings the container up, keeps its log, and answers with its exit status. */
static int monitor(int out, int err, int answer) {
    int into[16], pidfd, pipes[2][2] = { { -1, -1 }, { -1, -1 } }, ready[2];
    char path[300], byte;
    siginfo_t info;

    make_cgroups(into);
    MUST(chdir(record));
    if (!bare) {
        MUST(pipe2(pipes[0], O_CLOEXEC));
        MUST(pipe2(pipes[1], O_CLOEXEC));
    }
    MUST(pipe2(ready, O_CLOEXEC)); /* closes when the command is executed */
    pid_t pid = born(&pidfd, into[0]);
    MUST(pid);
    if (pid == 0)
        child(into, pipes[0][1], pipes[1][1]);
    close(ready[1]), close(pipes[0][1]), close(pipes[1][1]);
    for (int n = 0; n < hierarchies; n++)
        close(into[n]);
    MUST(read(ready[0], &byte, 1));
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
    open(path, O_RDONLY | O_CLOEXEC); /* holds the mounts until the answer is out */
    int log = -1;
    if (!bare) {
        MUST(mkdir(run, 0700));
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s/ctl", run);
        int control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        MUST(bind(control, (struct sockaddr *)&address, sizeof address));
        MUST(listen(control, 64));
        MUST(log = open("log", O_RDWR | O_APPEND | O_CLOEXEC));
        replace(".", "state.json", 226);
        replace(run, "containerInfo.json", 193);
        tell();
        MUST(send(answer, "S", 1, 0));
    }
    struct pollfd watched[3] = { { pidfd, POLLIN, 0 }, { pipes[0][0], POLLIN, 0 }, { pipes[1][0], POLLIN, 0 } };
    while (watched[0].fd >= 0 || watched[1].fd >= 0 || watched[2].fd >= 0) {
        MUST(poll(watched, 3, -1));
        for (int n = 0; n < 3; n++) {
            if (n && watched[n].revents & POLLIN)
                copy(watched[n].fd, log, n == 1 ? out : err);
            else if (watched[n].revents)
                watched[n].fd = -1;
        }
    }
    MUST(waitid(P_PIDFD, pidfd, &info, WEXITED));
    for (int n = 0; n < hierarchies; n++)
        MUST(rmdir(cgroups[n]));
    if (!bare) {
        tell();
        snprintf(path, sizeof path, "%s/ctl", run);
        unlink(path);
        snprintf(path, sizeof path, "%s/containerInfo.json", run);
        unlink(path);
        rmdir(run);
        MUST(unlink(name));
        MUST(rename(record, gone));
        tell();
        char code = info.si_status;
        MUST(send(answer, &code, 1, 0));
    }
    return info.si_status;
}

static void make_record(const char *store) {
    static const struct { const char *file; size_t size; } files[] = {
        { "hosts", 150 }, { "hostname", 13 }, { "resolv.conf", 25 }, { "log", 0 }, { "lock", 0 }, { "config.json", 1588 },
    };
    char new[300], text[1600];
    memset(text, '.', sizeof text);
    snprintf(new, sizeof new, "%s/tmp/%s", store, id);
    MUST(mkdir(new, 0700));
    MUST(chdir(new));
    MUST(mkdir("upper", 0755));
    MUST(mkdir("work", 0700));
    MUST(mkdir("root", 0700));
    if (!bare)
        for (size_t n = 0; n < sizeof files / sizeof *files; n++)
            put(files[n].file, text, files[n].size, O_EXCL);
    MUST(rename(new, record));
    if (!bare) {
        MUST(symlink(id, name));
        tell();
    }
}

int main(int count, char **argv) {
    unsigned char random[16];
    if (count != 5)
        return 125;
    bare = getenv("FLOOR_BARE") != 0;
    if (!bare)
        seal(argv);
    const char *store = argv[1];
    layer = argv[3], program = argv[4];
    MUST(getentropy(random, sizeof random));
    for (int n = 0; n < 16; n++)
        sprintf(id + 2 * n, "%02x", random[n]);
    snprintf(record, sizeof record, "%s/containers/%s", store, id);
    snprintf(gone, sizeof gone, "%s/trash/%s", store, id);
    snprintf(name, sizeof name, "%s/names/%s", store, id + 20);
    snprintf(events, sizeof events, "%s/events", argv[2]);
    snprintf(run, sizeof run, "%s/%s", argv[2], id);
    umask(022);
    find_cgroups();
    make_record(store);
    if (bare) {
        int status = monitor(-1, -1, -1);
        MUST(rename(record, gone));
        if (fork() == 0)
            clean();
        return status;
    }
    int out[2], err[2], answer[2], pidfd, open_ends = 3;
    MUST(pipe2(out, O_CLOEXEC));
    MUST(pipe2(err, O_CLOEXEC));
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, answer));
    struct clone_args arguments = { .flags = CLONE_PIDFD, .pidfd = (unsigned long)&pidfd, .exit_signal = SIGCHLD };
    pid_t pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    MUST(pid);
    if (pid == 0) {
        close(answer[0]), close(out[0]), close(err[0]);
        setsid();
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 0), dup2(null, 1), dup2(null, 2);
        monitor(out[1], err[1], answer[1]);
        close(answer[1]), close(out[1]), close(err[1]);
        clean();
        _exit(0);
    }
    close(answer[1]), close(out[1]), close(err[1]);
    char code = 125, byte;
    struct pollfd watched[3] = { { answer[0], POLLIN, 0 }, { out[0], POLLIN, 0 }, { err[0], POLLIN, 0 } };
    while (open_ends) {
        MUST(poll(watched, 3, -1));
        if (watched[0].revents & POLLIN && recv(answer[0], &byte, 1, 0) == 1 && byte != 'S') {
            code = byte;
            break;
        }
        for (int n = 0; n < 3; n++) {
            if (n && watched[n].revents & POLLIN)
                MUST(splice(watched[n].fd, 0, n, 0, 65536, 0));
            else if (watched[n].revents & POLLHUP && !(watched[n].revents & POLLIN))
                watched[n].fd = -1, open_ends--;
        }
    }
    return code;
}
