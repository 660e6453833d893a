/* Permissions: what a program that is not root may not do to files that are not its own.
 *
 * To the kernel all files of a container have one owner, who may do anything. So the owners that owners.c knows of
 * and the mode bits are looked at here, before the kernel is asked. All other files are the kernel's to judge.
 */
#include "pocket.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

enum { SEARCH = 1, WRITE = 2, READ = 4 };

static int refuse(int error)
{
    errno = error;
    return -1;
}

/* The folder that a name is in. */
static const char *parent(const char *path, char *room)
{
    size_t length = strlen(path);
    if (length > PATH_MAX)
        return path;
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length && path[length - 1] != '/')
        length--;
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (!length)
        return ".";
    memcpy(room, path, length);
    room[length] = 0;
    return room;
}

static bool allows(const struct stat *status, int wanted)
{
    int bits = (int)status->st_mode;
    if (status->st_uid == geteuid())
        bits >>= 6;
    else if (pocket_in_group(status->st_gid))
        bits >>= 3;
    return (bits & wanted) == wanted;
}

/* Whether a file may be read, written, or (a folder) searched. What is not there is for the kernel to say. */
static int check(int folder, const char *path, int flags, int wanted)
{
    struct stat status;
    bool recorded;
    if (pocket_can(DAC_OVERRIDE) || pocket_stat(folder, path, flags, &status, &recorded) || !recorded)
        return 0;
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return 0;
    if (allows(&status, wanted))
        return 0;
    /* Where nobody may write, that is what the kernel says first. */
    if (wanted & WRITE && syscall(SYS_faccessat, folder, path, W_OK) && errno == EROFS)
        return -1;
    return refuse(EACCES);
}

/* POCKET_READ_ONLY and POCKET_WRITABLE. */

static size_t longest_prefix(const char *paths, const char *path)
{
    size_t longest = 0;
    while (paths && *paths) {
        size_t length = strcspn(paths, ":");
        bool root = length == 1 && *paths == '/';
        bool fits = root || (!strncmp(paths, path, length) && (!path[length] || path[length] == '/'));
        if (fits && length > longest)
            longest = length;
        paths += length + (paths[length] == ':');
    }
    return longest;
}

static int check_read_only(int folder, const char *path)
{
    const char *read_only = getenv("POCKET_READ_ONLY");
    char room[PATH_MAX + 1], link[32] = "/proc/self/fd/", real[PATH_MAX + 1];
    if (!read_only)
        return 0;
    long place = syscall(SYS_openat, folder, parent(path, room), O_PATH | O_CLOEXEC);
    if (place < 0)
        return 0;
    pocket_write_number(link + strlen(link), (unsigned)place);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, real, (size_t)PATH_MAX);
    syscall(SYS_close, place);
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if (length < 0 || (size_t)length + strlen(name) + 1 > PATH_MAX)
        return 0;
    if (length > 1)
        real[length++] = '/';
    memcpy(real + length, name, strlen(name) + 1);
    return longest_prefix(read_only, real) > longest_prefix(getenv("POCKET_WRITABLE"), real) ? refuse(EROFS) : 0;
}

/* Whether the name may be given to a new file, or taken from the one that has it. */
static int check_entry(int folder, const char *path)
{
    char room[PATH_MAX + 1];
    struct stat place, status;
    bool recorded;
    const char *above = parent(path, room);
    if (check_read_only(folder, path) || check(folder, above, 0, WRITE | SEARCH))
        return -1;
    if (pocket_can(FOWNER) || pocket_stat(folder, above, 0, &place, &recorded) || !recorded)
        return 0;
    if (!(place.st_mode & S_ISVTX) || place.st_uid == geteuid())
        return 0;
    if (pocket_stat(folder, path, AT_SYMLINK_NOFOLLOW, &status, &recorded) || !recorded)
        return 0;
    bool known = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode); /* Of others the owner cannot be recorded. */
    return known && status.st_uid != geteuid() ? refuse(EPERM) : 0;
}

/* Whether a file's mode may be changed, which is its owner's right. */
static int check_mode(int folder, const char *path, int flags)
{
    struct stat status;
    bool recorded;
    if (path && check_read_only(folder, path))
        return -1;
    if (pocket_can(FOWNER) || pocket_stat(folder, path, flags, &status, &recorded) || !recorded)
        return 0;
    return status.st_uid == geteuid() ? 0 : refuse(EPERM);
}

/* Its times may be set to now also by who may write it. */
static int check_times(int folder, const char *path, int flags, bool now)
{
    if (!check_mode(folder, path, flags))
        return 0;
    if (!now || errno != EPERM)
        return -1;
    return check(folder, path, flags, WRITE);
}

static int claim(int folder, const char *path)
{
    struct owner owner = {geteuid(), getegid()};
    return owner.uid || owner.gid ? pocket_record_owner(folder, path, 0, owner) : 0;
}

static bool exists(int folder, const char *path, int flags)
{
    struct stat status;
    return !syscall(SYS_newfstatat, folder, path, &status, flags);
}

static int open_file(int folder, const char *path, int flags, mode_t mode)
{
    static const int wanted[] = {[O_RDONLY] = READ, [O_WRONLY] = WRITE, [O_RDWR] = READ | WRITE};
    char room[PATH_MAX + 1];
    int access = (flags & O_ACCMODE) == O_ACCMODE ? 0 : wanted[flags & O_ACCMODE];
    if (flags & O_TRUNC)
        access |= WRITE;
    bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
    bool made = unnamed || (flags & O_CREAT && !exists(folder, path, flags & O_EXCL ? AT_SYMLINK_NOFOLLOW : 0));
    if (unnamed ? check(folder, path, 0, WRITE | SEARCH) : made && check_entry(folder, path))
        return -1;
    if (!made && !(flags & O_PATH)) {
        if (access & WRITE && check_read_only(folder, path))
            return -1;
        if (check(folder, parent(path, room), 0, SEARCH) || check(folder, path, 0, access))
            return -1;
    }
    int file = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (file >= 0 && made && claim(file, NULL)) {
        syscall(SYS_close, file);
        return -1;
    }
    return file;
}

/* Declared without dots: the mode is in the same register, there or not, and without O_CREAT nobody looks at it. */

EXPORT int open_3(const char *path, int flags, mode_t mode)
{
    return open_file(AT_FDCWD, path, flags, mode);
}

EXPORT int openat_4(int folder, const char *path, int flags, mode_t mode)
{
    return open_file(folder, path, flags, mode);
}

ALSO(open, open_3);
ALSO(openat, openat_4);
ALSO(open64, open_3);
ALSO(openat64, openat_4);

EXPORT int creat(const char *path, mode_t mode)
{
    return open_file(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

ALSO(creat64, creat);

/* What a compiler's fortification makes of open. */

EXPORT int __open_2(const char *path, int flags)
{
    return open_file(AT_FDCWD, path, flags, 0);
}

EXPORT int __openat_2(int folder, const char *path, int flags)
{
    return open_file(folder, path, flags, 0);
}

ALSO(__open64_2, __open_2);
ALSO(__openat64_2, __openat_2);

/* The libc's own of these open files without asking us. */

EXPORT FILE *fopen(const char *restrict path, const char *restrict mode)
{
    int flags = strchr(mode, '+') ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
    flags |= *mode == 'w' ? O_CREAT | O_TRUNC : *mode == 'a' ? O_CREAT | O_APPEND : 0;
    flags |= (strchr(mode, 'x') ? O_EXCL : 0) | (strchr(mode, 'e') ? O_CLOEXEC : 0);
    if (!strchr("rwa", *mode)) {
        errno = EINVAL;
        return NULL;
    }
    int file = open_file(AT_FDCWD, path, flags, 0666);
    return file < 0 ? NULL : fdopen(file, mode);
}

ALSO(fopen64, fopen);

EXPORT DIR *opendir(const char *path)
{
    int folder = open_file(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    return folder < 0 ? NULL : fdopendir(folder);
}

static bool fill_in(char *pattern, int suffix)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    unsigned char random[6];
    size_t length = strlen(pattern);
    if (suffix < 0 || length < 6 + (size_t)suffix)
        return false;
    char *place = pattern + length - (size_t)suffix - 6;
    for (int i = 0; i < 6; i++)
        if (place[i] != 'X')
            return false;
    syscall(SYS_getrandom, random, sizeof random, 0);
    for (int i = 0; i < 6; i++)
        place[i] = letters[random[i] % (sizeof letters - 1)];
    return true;
}

EXPORT int mkostemps(char *pattern, int suffix, int flags)
{
    if (!fill_in(pattern, suffix))
        return refuse(EINVAL);
    return open_file(AT_FDCWD, pattern, O_RDWR | O_CREAT | O_EXCL | flags, 0600);
}

EXPORT int mkostemp(char *pattern, int flags)
{
    return mkostemps(pattern, 0, flags);
}

EXPORT int mkstemps(char *pattern, int suffix)
{
    return mkostemps(pattern, suffix, 0);
}

EXPORT int mkstemp(char *pattern)
{
    return mkostemps(pattern, 0, 0);
}

ALSO(mkostemps64, mkostemps);
ALSO(mkostemp64, mkostemp);
ALSO(mkstemps64, mkstemps);
ALSO(mkstemp64, mkstemp);

EXPORT int mkdirat(int folder, const char *path, mode_t mode)
{
    if (!exists(folder, path, AT_SYMLINK_NOFOLLOW) && check_entry(folder, path))
        return -1;
    int failed = (int)syscall(SYS_mkdirat, folder, path, mode);
    return failed ? failed : claim(folder, path);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

EXPORT char *mkdtemp(char *pattern)
{
    if (!fill_in(pattern, 0)) {
        errno = EINVAL;
        return NULL;
    }
    return mkdir(pattern, 0700) ? NULL : pattern;
}

EXPORT int unlinkat(int folder, const char *path, int flags)
{
    if (exists(folder, path, AT_SYMLINK_NOFOLLOW) && check_entry(folder, path))
        return -1;
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

EXPORT int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORT int remove(const char *path)
{
    int failed = unlink(path);
    return failed && errno == EISDIR ? rmdir(path) : failed;
}

EXPORT int renameat2(int from, const char *path, int to, const char *target, unsigned flags)
{
    if (exists(from, path, AT_SYMLINK_NOFOLLOW) && (check_entry(from, path) || check_entry(to, target)))
        return -1;
    return (int)syscall(SYS_renameat2, from, path, to, target, flags);
}

EXPORT int renameat(int from, const char *path, int to, const char *target)
{
    return renameat2(from, path, to, target, 0);
}

EXPORT int rename(const char *path, const char *target)
{
    return renameat2(AT_FDCWD, path, AT_FDCWD, target, 0);
}

EXPORT int linkat(int from, const char *path, int to, const char *target, int flags)
{
    return check_entry(to, target) ? -1 : (int)syscall(SYS_linkat, from, path, to, target, flags);
}

EXPORT int link(const char *path, const char *target)
{
    return linkat(AT_FDCWD, path, AT_FDCWD, target, 0);
}

EXPORT int symlinkat(const char *text, int folder, const char *path)
{
    return check_entry(folder, path) ? -1 : (int)syscall(SYS_symlinkat, text, folder, path);
}

EXPORT int symlink(const char *text, const char *path)
{
    return symlinkat(text, AT_FDCWD, path);
}

EXPORT int fchmodat(int folder, const char *path, mode_t mode, int flags)
{
    if (check_mode(folder, path, flags))
        return -1;
    if (flags & AT_SYMLINK_NOFOLLOW)
        return refuse(EOPNOTSUPP); /* A link has no mode. */
    return (int)syscall(SYS_fchmodat, folder, path, mode);
}

EXPORT int chmod(const char *path, mode_t mode)
{
    return fchmodat(AT_FDCWD, path, mode, 0);
}

EXPORT int fchmod(int file, mode_t mode)
{
    return check_mode(file, NULL, 0) ? -1 : (int)syscall(SYS_fchmod, file, mode);
}

EXPORT int truncate(const char *path, off_t length)
{
    if (check_read_only(AT_FDCWD, path) || check(AT_FDCWD, path, 0, WRITE))
        return -1;
    return (int)syscall(SYS_truncate, path, length);
}

ALSO(truncate64, truncate);

EXPORT int utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
    bool now = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
    if (check_times(folder, path, flags, now))
        return -1;
    return (int)syscall(SYS_utimensat, folder, path, times, flags);
}

EXPORT int utimes(const char *path, const struct timeval times[2])
{
    struct timespec exact[2];
    for (int i = 0; times && i < 2; i++)
        exact[i] = (struct timespec){times[i].tv_sec, times[i].tv_usec * 1000};
    return utimensat(AT_FDCWD, path, times ? exact : NULL, 0);
}

EXPORT int faccessat(int folder, const char *path, int wanted, int flags)
{
    char room[PATH_MAX + 1];
    if (wanted & W_OK && check_read_only(folder, path))
        return -1;
    if (check(folder, parent(path, room), 0, SEARCH) || check(folder, path, flags & AT_SYMLINK_NOFOLLOW, wanted))
        return -1;
    return (int)syscall(SYS_faccessat, folder, path, wanted, 0);
}

EXPORT int access(const char *path, int wanted)
{
    return faccessat(AT_FDCWD, path, wanted, 0);
}

EXPORT int eaccess(const char *path, int wanted)
{
    return faccessat(AT_FDCWD, path, wanted, AT_EACCESS);
}

ALSO(euidaccess, eaccess);
