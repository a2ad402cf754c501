/* A disk that fails, or loses power, at the n-th thing that is done to the files of one database.

   Preloaded (LD_PRELOAD) and driven through the functions faulty_disk_*. It counts pwrite, ftruncate,
   fsync, fdatasync and open for a database, its -wal and its -journal. What was written since the last
   sync of a file is remembered; when the power goes, it is taken back, all of it or by chance some. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COUNT, FAIL_ONCE, FAIL_AWHILE, STOP, POWER_CUT };
enum { FILES = 3, DESCRIPTORS = 4096, SECTOR = 512, STOPPED = 42, AWHILE = 10 };

struct change {
    struct change *before;
    off_t size, at;
    size_t length, was_length;
    char *is, *was; /* is == NULL: the file got `at` bytes long */
};

static const char *const SUFFIXES[FILES] = {"", "-wal", "-journal"};
static char paths[FILES][4096];
static struct change *unsynced[FILES];
static signed char file_of[DESCRIPTORS]; /* 0: not watched, else 1 + its number */
static long count, wanted;
static int how;
static unsigned chance;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);

__attribute__((constructor)) static void find_the_real_ones(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_open = dlsym(RTLD_NEXT, "open64");
    real_close = dlsym(RTLD_NEXT, "close");
}

/* From now on the calls for this database are counted, and the n-th one meets its fate. */
void faulty_disk_arm(const char *database, long n, int fate, unsigned seed) {
    for (int file = 0; file < FILES; file++) {
        strncpy(paths[file], database, sizeof paths[file] - 16);
        strcat(paths[file], SUFFIXES[file]);
    }
    count = 0;
    wanted = n;
    how = fate;
    chance = seed;
}

long faulty_disk_count(void) { return count; }

static int watched(int fd) { return fd >= 0 && fd < DESCRIPTORS ? file_of[fd] - 1 : -1; }

static void forget(int file) {
    while (unsynced[file] != NULL) {
        struct change *change = unsynced[file];
        unsynced[file] = change->before;
        free(change->is);
        free(change->was);
        free(change);
    }
}

static void take_back(int fd, const struct change *change) {
    if (change->was_length > 0)
        real_pwrite(fd, change->was, change->was_length, change->at);
    real_ftruncate(fd, change->size);
}

static int by_chance(void) { return chance != 0 && rand_r(&chance) % 2; }

/* Some changes did reach the disk, of some only a part: sectors are written whole, in any order. */
static void redo_some(int fd, const struct change *change) {
    if (change == NULL)
        return;
    redo_some(fd, change->before);
    if (!by_chance())
        return;
    if (change->is == NULL) {
        real_ftruncate(fd, change->at);
        return;
    }
    int whole = by_chance();
    for (size_t done = 0; done < change->length; done += SECTOR) {
        size_t left = change->length - done;
        if (whole || by_chance())
            real_pwrite(fd, change->is + done, left < SECTOR ? left : SECTOR, change->at + done);
    }
}

static void lose_power(void) {
    for (int file = 0; file < FILES; file++) {
        int fd = real_open(paths[file], O_RDWR | O_CLOEXEC);
        if (fd < 0)
            continue;
        for (struct change *change = unsynced[file]; change != NULL; change = change->before)
            take_back(fd, change);
        redo_some(fd, unsynced[file]);
        real_close(fd);
    }
}

/* Counts a call; 1 if it is to fail. Does not return where the process is to end. */
static int meets_its_fate(void) {
    count++;
    long last = how == FAIL_AWHILE ? wanted + AWHILE : wanted;
    if (how == COUNT || count < wanted || count > last)
        return 0;
    if (how == POWER_CUT)
        lose_power();
    if (how == POWER_CUT || how == STOP)
        _exit(STOPPED);
    errno = EIO;
    return 1;
}

static void remember(int fd, int file, const char *is, size_t length, off_t at) {
    struct stat seen;
    struct change *change = calloc(1, sizeof *change);
    if (change == NULL || fstat(fd, &seen) != 0)
        abort();
    change->before = unsynced[file];
    change->size = seen.st_size;
    change->at = at;
    change->length = length;
    size_t lost = is != NULL ? length : (size_t)(seen.st_size > at ? seen.st_size - at : 0);
    change->was = malloc(lost + 1);
    if (change->was == NULL)
        abort();
    ssize_t was = pread(fd, change->was, lost, at);
    change->was_length = was > 0 ? (size_t)was : 0;
    if (is != NULL) {
        change->is = malloc(length + 1);
        if (change->is == NULL)
            abort();
        memcpy(change->is, is, length);
    }
    unsynced[file] = change;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) {
    int file = watched(fd);
    if (file < 0)
        return real_pwrite(fd, data, length, at);
    pthread_mutex_lock(&lock);
    ssize_t written = -1;
    if (!meets_its_fate()) {
        remember(fd, file, data, length, at);
        written = real_pwrite(fd, data, length, at);
    }
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
    return pwrite64(fd, data, length, at);
}

int ftruncate64(int fd, off_t length) {
    int file = watched(fd);
    if (file < 0)
        return real_ftruncate(fd, length);
    pthread_mutex_lock(&lock);
    int done = -1;
    if (!meets_its_fate()) {
        remember(fd, file, NULL, 0, length);
        done = real_ftruncate(fd, length);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

/* What is synced stays when the power goes: that is all that a sync is needed for here. */
static int sync_watched(int file) {
    pthread_mutex_lock(&lock);
    int failed = meets_its_fate();
    if (!failed)
        forget(file);
    pthread_mutex_unlock(&lock);
    return failed ? -1 : 0;
}

int fsync(int fd) {
    int file = watched(fd);
    return file < 0 ? real_fsync(fd) : sync_watched(file);
}

int fdatasync(int fd) {
    int file = watched(fd);
    return file < 0 ? real_fdatasync(fd) : sync_watched(file);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    int file = FILES - 1;
    while (file >= 0 && strcmp(path, paths[file]) != 0)
        file--;
    if (file < 0)
        return real_open(path, flags, mode);
    pthread_mutex_lock(&lock);
    int fd = meets_its_fate() ? -1 : real_open(path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS)
        file_of[fd] = (signed char)(file + 1);
    pthread_mutex_unlock(&lock);
    return fd;
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return open64(path, flags, mode);
}

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS)
        file_of[fd] = 0;
    return real_close(fd);
}
