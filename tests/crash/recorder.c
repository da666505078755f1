/*
 * What a process does to files below one directory: written down, and made to fail where asked.
 *
 * Loaded with LD_PRELOAD. Each successful call is one record at the end of a log, data included, in
 * the order in which the calls took effect: a lock is held over call and record. With $CRASH_ROOT and
 * $CRASH_LOG unset it does nothing. crash_arm() lets the n-th call of a kind fail (see there).
 *
 * What it cannot see it makes impossible: copies within the kernel are refused, so that callers write,
 * and a shared writable mapping of a file is recorded as such, which makes the log void.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536

struct record {
    uint32_t kind;
    uint32_t first;  /* bytes of the first text or of data */
    uint32_t second; /* bytes of a second text */
    uint32_t process;
    uint64_t inode;
    int64_t offset;
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int log_fd = -1;
static char root[PATH_MAX];
static size_t root_size;
static uint64_t inode_of[FDS]; /* of descriptors of files below the root; 0: none of ours */
static char *folder_of[FDS];   /* their paths, where they are directories */
static int rooted;

/* -- failing ------------------------------------------------------------------------------- */

static long calls[128];
static struct { int kind; long at; int error; int partial; int lasting; } fault;

/*
 * Let the call number `at` of a kind, counted from now, fail with `error`: kind 'w' write, 's' sync,
 * 'o' open, 'n' rename, 'u' unlink, 't' truncate, 'r' read, 'm' mkdir, 'l' link. `partial`: half of a
 * write is done, and with `error` 0 that is what it returns. `lasting`: all later ones fail as well.
 */
void crash_arm(int kind, long at, int error, int partial, int lasting) {
    memset(calls, 0, sizeof calls);
    fault.kind = kind, fault.at = at, fault.error = error;
    fault.partial = partial, fault.lasting = lasting;
}

/* Return how many calls of a kind there were since crash_arm. */
long crash_calls(int kind) { return calls[kind]; }

static int fails(int kind) {
    long number = ++calls[kind];
    if (fault.kind != kind) return 0;
    return number == fault.at || (fault.lasting && number > fault.at);
}

/* -- recording ----------------------------------------------------------------------------- */

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

#define REAL(type, name, ...)                         \
    static type (*call)(__VA_ARGS__);                 \
    if (!call) call = (type (*)(__VA_ARGS__))real(name)

__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("CRASH_ROOT"), *log = getenv("CRASH_LOG");
    if (!at || !*at) return;
    strncpy(root, at, sizeof root - 1);
    root_size = strlen(root);
    rooted = 1;
    if (log && *log)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void put(int kind, uint64_t inode, int64_t offset, const void *first, size_t size,
                const char *second) {
    if (log_fd < 0) return;
    struct record head = {kind, size, second ? strlen(second) : 0, getpid(), inode, offset};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)first, size}, {(void *)second, head.second}};
    /* One call, at the end of the file: whole, and in order among processes. */
    if (syscall(SYS_writev, log_fd, parts, 3) < 0) _exit(86);
}

/* Put the path below the root into `text`, or return 0. */
static int below(int at, const char *path, char *text) {
    char whole[PATH_MAX * 2];
    if (!rooted || !path) return 0;
    if (path[0] == '/') {
        strncpy(whole, path, PATH_MAX - 1), whole[PATH_MAX - 1] = 0;
    } else if (at != AT_FDCWD && at >= 0 && at < FDS && folder_of[at]) {
        snprintf(whole, sizeof whole, "%s/%s/%s", root, folder_of[at], path);
    } else {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(whole, sizeof whole, "%s/%s", here, path);
    }
    if (strncmp(whole, root, root_size) || (whole[root_size] != '/' && whole[root_size])) return 0;
    const char *rest = whole + root_size;
    while (*rest == '/') rest++;
    strncpy(text, rest, PATH_MAX - 1), text[PATH_MAX - 1] = 0;
    return 1;
}

static uint64_t ours(int fd) { return fd >= 0 && fd < FDS ? inode_of[fd] : 0; }

static int opening(int at, const char *path, int flags, mode_t mode) {
    char name[PATH_MAX];
    pthread_mutex_lock(&lock);
    int mine = below(at, path, name), fd = -1;
    if (mine && fails('o')) {
        errno = fault.error;
    } else {
        struct stat there;
        int fresh = mine && (flags & O_CREAT) && fstatat(at, path, &there, AT_SYMLINK_NOFOLLOW) < 0;
        fd = (int)syscall(SYS_openat, at, path, flags, mode);
        if (mine && fd >= 0 && fd < FDS && fstat(fd, &there) == 0) {
            inode_of[fd] = there.st_ino;
            free(folder_of[fd]);
            folder_of[fd] = S_ISDIR(there.st_mode) ? strdup(name) : NULL;
            if (fresh) put('c', there.st_ino, 0, name, strlen(name), NULL);
            else if (flags & O_TRUNC) put('t', there.st_ino, 0, NULL, 0, NULL);
        }
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return fd;
}

#define OPEN(name)                                                        \
    int name(const char *path, int flags, ...) {                         \
        mode_t mode = 0;                                                  \
        if (flags & (O_CREAT | __O_TMPFILE)) {                            \
            va_list more;                                                 \
            va_start(more, flags), mode = va_arg(more, mode_t), va_end(more); \
        }                                                                 \
        return opening(AT_FDCWD, path, flags, mode);                      \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                      \
    int name(int at, const char *path, int flags, ...) {                  \
        mode_t mode = 0;                                                  \
        if (flags & (O_CREAT | __O_TMPFILE)) {                            \
            va_list more;                                                 \
            va_start(more, flags), mode = va_arg(more, mode_t), va_end(more); \
        }                                                                 \
        return opening(at, path, flags, mode);                            \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS) {
        inode_of[fd] = 0;
        free(folder_of[fd]);
        folder_of[fd] = NULL;
    }
    int done = (int)syscall(SYS_close, fd), kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

/* `at` < 0: where the file stands. */
static ssize_t writing(int fd, const void *data, size_t size, off64_t at) {
    uint64_t inode = ours(fd);
    if (!inode) {
        return at < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, at);
    }
    pthread_mutex_lock(&lock);
    int failed = fails('w');
    ssize_t done = -1;
    if (failed && !(fault.partial && size > 1)) {
        errno = fault.error;
    } else {
        size_t wanted = failed ? size / 2 : size;
        done = at < 0 ? syscall(SYS_write, fd, data, wanted)
                      : syscall(SYS_pwrite64, fd, data, wanted, at);
        if (done > 0) {
            off64_t end = at < 0 ? lseek64(fd, 0, SEEK_CUR) : at + done;
            put('w', inode, end - done, data, done, NULL);
        }
        if (failed && fault.error) done = -1, errno = fault.error;
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

ssize_t write(int fd, const void *data, size_t size) { return writing(fd, data, size, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return writing(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return writing(fd, data, size, at);
}

static ssize_t reading(int fd, void *data, size_t size, off64_t at) {
    if (ours(fd)) {
        pthread_mutex_lock(&lock);
        int failed = fails('r');
        pthread_mutex_unlock(&lock);
        if (failed) return errno = fault.error, -1;
    }
    return at < 0 ? syscall(SYS_read, fd, data, size) : syscall(SYS_pread64, fd, data, size, at);
}

ssize_t read(int fd, void *data, size_t size) { return reading(fd, data, size, -1); }
ssize_t pread(int fd, void *data, size_t size, off_t at) { return reading(fd, data, size, at); }
ssize_t pread64(int fd, void *data, size_t size, off64_t at) { return reading(fd, data, size, at); }

static int cutting(int fd, off64_t size) {
    uint64_t inode = ours(fd);
    if (!inode) return (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&lock);
    int done = -1;
    if (fails('t')) errno = fault.error;
    else if ((done = (int)syscall(SYS_ftruncate, fd, size)) == 0) put('t', inode, size, NULL, 0, NULL);
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

int ftruncate(int fd, off_t size) { return cutting(fd, size); }
int ftruncate64(int fd, off64_t size) { return cutting(fd, size); }

static int syncing(int fd, long number) {
    uint64_t inode = ours(fd);
    if (!inode) return (int)syscall(number, fd);
    pthread_mutex_lock(&lock);
    const char *folder = folder_of[fd];
    int done = -1;
    if (fails('s')) {
        /* A kernel that failed once may forget what it could not write. */
        put('f', inode, 0, NULL, 0, NULL);
        errno = fault.error;
    } else if ((done = (int)syscall(number, fd)) == 0) {
        put(folder ? 'd' : 's', inode, 0, folder ? folder : "", folder ? strlen(folder) : 0, NULL);
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

int fsync(int fd) { return syncing(fd, SYS_fsync); }
int fdatasync(int fd) { return syncing(fd, SYS_fdatasync); }

/* Names: one text or two below the root; `made` is what the call did. */
#define NAMED(letter, made, from_at, from, to_at, to)                                     \
    char one[PATH_MAX], two[PATH_MAX] = "";                                               \
    const char *other = to;                                                               \
    pthread_mutex_lock(&lock);                                                            \
    int mine = below(from_at, from, one) && (!other || below(to_at, other, two)), done = -1; \
    if (mine && fails(letter)) errno = fault.error;                                       \
    else if ((done = (int)(made)) == 0 && mine)                                           \
        put(letter, 0, 0, one, strlen(one), other ? two : NULL);                          \
    int kept = errno;                                                                     \
    pthread_mutex_unlock(&lock);                                                          \
    errno = kept;                                                                         \
    return done

int rename(const char *from, const char *to) {
    NAMED('n', syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), AT_FDCWD, from, AT_FDCWD, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    NAMED('n', syscall(SYS_renameat2, a, from, b, to, 0), a, from, b, to);
}
int link(const char *from, const char *to) {
    NAMED('l', syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0), AT_FDCWD, from, AT_FDCWD, to);
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
    NAMED('l', syscall(SYS_linkat, a, from, b, to, flags), a, from, b, to);
}
int unlink(const char *path) {
    NAMED('u', syscall(SYS_unlinkat, AT_FDCWD, path, 0), AT_FDCWD, path, 0, NULL);
}
int unlinkat(int at, const char *path, int flags) {
    NAMED('u', syscall(SYS_unlinkat, at, path, flags), at, path, 0, NULL);
}
int rmdir(const char *path) {
    NAMED('u', syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR), AT_FDCWD, path, 0, NULL);
}
int mkdir(const char *path, mode_t mode) {
    NAMED('m', syscall(SYS_mkdirat, AT_FDCWD, path, mode), AT_FDCWD, path, 0, NULL);
}
int mkdirat(int at, const char *path, mode_t mode) {
    NAMED('m', syscall(SYS_mkdirat, at, path, mode), at, path, 0, NULL);
}

/* -- what cannot be recorded --------------------------------------------------------------- */

ssize_t sendfile64(int out, int in, off64_t *at, size_t size) {
    REAL(ssize_t, "sendfile64", int, int, off64_t *, size_t);
    return ours(out) ? (errno = EINVAL, -1) : call(out, in, at, size);
}
ssize_t sendfile(int out, int in, off_t *at, size_t size) { return sendfile64(out, in, at, size); }
ssize_t copy_file_range(int in, off64_t *a, int out, off64_t *b, size_t size, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    return ours(out) ? (errno = EXDEV, -1) : call(in, a, out, b, size, flags);
}
ssize_t writev(int fd, const struct iovec *parts, int number) {
    return ours(fd) ? (errno = EINVAL, -1) : syscall(SYS_writev, fd, parts, number);
}
ssize_t pwritev(int fd, const struct iovec *parts, int number, off_t at) {
    REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
    return ours(fd) ? (errno = EINVAL, -1) : call(fd, parts, number, at);
}
int fallocate64(int fd, int mode, off64_t at, off64_t size) {
    REAL(int, "fallocate64", int, int, off64_t, off64_t);
    return ours(fd) ? (errno = EOPNOTSUPP, -1) : call(fd, mode, at, size);
}
int fallocate(int fd, int mode, off_t at, off_t size) { return fallocate64(fd, mode, at, size); }
int posix_fallocate64(int fd, off64_t at, off64_t size) {
    REAL(int, "posix_fallocate64", int, off64_t, off64_t);
    return ours(fd) ? EINVAL : call(fd, at, size);
}
int posix_fallocate(int fd, off_t at, off_t size) { return posix_fallocate64(fd, at, size); }

void *mmap64(void *at, size_t size, int access, int flags, int fd, off64_t offset) {
    uint64_t inode = ours(fd);
    if (inode && (flags & MAP_SHARED) && (access & PROT_WRITE)) put('x', inode, offset, NULL, 0, NULL);
    return (void *)syscall(SYS_mmap, at, size, access, flags, fd, offset);
}
void *mmap(void *at, size_t size, int access, int flags, int fd, off_t offset) {
    return mmap64(at, size, access, flags, fd, offset);
}
