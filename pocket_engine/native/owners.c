/* Owners of files: the kernel knows one, so they are kept in an extended attribute, "UID:GID".
 *
 * A file without one is root's, except where the file system has no such attributes (/proc, /sys) or the file is
 * another real user's: there the kernel knows better.
 */
#include "pocket.h"

#include <string.h>

#define ATTRIBUTE "user.pocket.owner"
#define LONGEST 24 /* "4294967295:4294967295" */
#define LONGEST_PATH 4096

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

/* A file as the calls for extended attributes want it named: there are three of each. */
struct file {
    enum { BY_PATH, BY_LINK, BY_DESCRIPTOR } kind;
    int descriptor;
    const char *path;
    char room[LONGEST_PATH + 1];
};

static char *append(char *to, const char *end, const char *text)
{
    while (*text && to < end)
        *to++ = *text++;
    *to = 0;
    return to;
}

static void name_file(struct file *file, int folder, const char *path, int flags)
{
    if (!path || (!*path && flags & AT_EMPTY_PATH && folder != AT_FDCWD)) {
        file->kind = BY_DESCRIPTOR;
        file->descriptor = folder;
        return;
    }
    file->kind = flags & AT_SYMLINK_NOFOLLOW ? BY_LINK : BY_PATH;
    file->path = *path || !(flags & AT_EMPTY_PATH) ? path : ".";
    if (*path == '/' || folder == AT_FDCWD)
        return;
    char *end = file->room + LONGEST_PATH; /* These calls know no folder to start from; /proc does. */
    char *to = pocket_write_number(append(file->room, end, "/proc/self/fd/"), (unsigned)folder);
    append(append(to, end, "/"), end, path);
    file->path = file->room;
}

static long get(const struct file *file, char *value)
{
    if (file->kind == BY_DESCRIPTOR)
        return syscall(SYS_fgetxattr, file->descriptor, ATTRIBUTE, value, (size_t)LONGEST);
    long call = file->kind == BY_LINK ? SYS_lgetxattr : SYS_getxattr;
    return syscall(call, file->path, ATTRIBUTE, value, (size_t)LONGEST);
}

static long set(const struct file *file, const char *value, size_t length)
{
    if (file->kind == BY_DESCRIPTOR)
        return syscall(SYS_fsetxattr, file->descriptor, ATTRIBUTE, value, length, 0);
    long call = file->kind == BY_LINK ? SYS_lsetxattr : SYS_setxattr;
    return syscall(call, file->path, ATTRIBUTE, value, length, 0);
}

static long erase(const struct file *file)
{
    if (file->kind == BY_DESCRIPTOR)
        return syscall(SYS_fremovexattr, file->descriptor, ATTRIBUTE);
    return syscall(file->kind == BY_LINK ? SYS_lremovexattr : SYS_removexattr, file->path, ATTRIBUTE);
}

static long record(const struct file *file, struct owner owner)
{
    char value[LONGEST];
    if (!owner.uid && !owner.gid) {
        long result = erase(file);
        return result && errno == ENODATA ? 0 : result;
    }
    char *end = pocket_write_number(value, owner.uid);
    *end++ = ':';
    end = pocket_write_number(end, owner.gid);
    return set(file, value, (size_t)(end - value));
}

static long set_mode(const struct file *file, mode_t mode)
{
    if (file->kind == BY_DESCRIPTOR)
        return syscall(SYS_fchmod, file->descriptor, mode);
    return syscall(SYS_fchmodat, AT_FDCWD, file->path, mode);
}

/* Corrects what the kernel says; whether the file is one of the container's own, whose owners are ours to know. */
static bool correct(const struct file *file, uid_t *uid, gid_t *gid)
{
    char value[LONGEST];
    int saved = errno;
    if (*uid != pocket_kernel_uid()) {
        *uid = *uid == NOBODY ? 0 : *uid; /* The machine's own: /dev, /proc, /sys. */
        *gid = *gid == NOBODY ? 0 : *gid;
        return false;
    }
    long length = get(file, value);
    bool none = length < 0 && errno == ENODATA;
    errno = saved;
    if (none)
        *uid = *gid = 0;
    if (length <= 0 || length >= LONGEST)
        return none;
    value[length] = 0;
    const char *text = pocket_read_number(value, uid);
    pocket_read_number(text + (*text == ':'), gid);
    return true;
}

int pocket_stat(int folder, const char *path, int flags, struct stat *result, bool *recorded)
{
    struct file file;
    int failed = path ? (int)syscall(SYS_newfstatat, folder, path, result, flags)
                      : (int)syscall(SYS_fstat, folder, result);
    if (failed)
        return -1;
    name_file(&file, folder, path, flags);
    *recorded = correct(&file, &result->st_uid, &result->st_gid);
    return 0;
}

int pocket_record_owner(int folder, const char *path, int flags, struct owner owner)
{
    struct file file;
    struct stat status;
    bool recorded;
    int saved = errno;
    name_file(&file, folder, path, flags);
    if (!record(&file, owner))
        return 0;
    if (errno == EACCES && !pocket_stat(folder, path, flags, &status, &recorded)) {
        /* Attributes are for those who may write the file, and a file's owner may say that he may. */
        if (set_mode(&file, (status.st_mode & 07777) | S_IWUSR))
            return -1;
        long result = record(&file, owner);
        set_mode(&file, status.st_mode & 07777);
        return (int)result;
    }
    /* Links, devices, sockets, and file systems without attributes cannot be given an owner. */
    bool impossible = errno == EPERM || errno == EOPNOTSUPP;
    if (impossible)
        errno = saved;
    return impossible ? 0 : -1;
}

static int change_owner(int folder, const char *path, int flags, uid_t uid, gid_t gid)
{
    struct stat status;
    bool recorded;
    if (pocket_stat(folder, path, flags, &status, &recorded))
        return -1;
    struct owner owner = {uid == KEEP ? status.st_uid : uid, gid == KEEP ? status.st_gid : gid};
    bool own = status.st_uid == geteuid() && owner.uid == status.st_uid;
    bool to_own_group = own && (owner.gid == status.st_gid || pocket_in_group(owner.gid));
    if (!to_own_group && !pocket_can(CHOWN)) {
        errno = EPERM;
        return -1;
    }
    return recorded ? pocket_record_owner(folder, path, flags, owner) : 0;
}

EXPORT int chown(const char *path, uid_t uid, gid_t gid)
{
    return change_owner(AT_FDCWD, path, 0, uid, gid);
}

EXPORT int lchown(const char *path, uid_t uid, gid_t gid)
{
    return change_owner(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, uid, gid);
}

EXPORT int fchown(int file, uid_t uid, gid_t gid)
{
    return change_owner(file, NULL, 0, uid, gid);
}

EXPORT int fchownat(int folder, const char *path, uid_t uid, gid_t gid, int flags)
{
    return change_owner(folder, path, flags, uid, gid);
}

EXPORT int fstatat(int folder, const char *restrict path, struct stat *restrict result, int flags)
{
    bool recorded;
    return pocket_stat(folder, path, flags, result, &recorded);
}

EXPORT int stat(const char *restrict path, struct stat *restrict result)
{
    return fstatat(AT_FDCWD, path, result, 0);
}

EXPORT int lstat(const char *restrict path, struct stat *restrict result)
{
    return fstatat(AT_FDCWD, path, result, AT_SYMLINK_NOFOLLOW);
}

EXPORT int fstat(int file, struct stat *result)
{
    bool recorded;
    return pocket_stat(file, NULL, 0, result, &recorded);
}

ALSO(stat64, stat);
ALSO(lstat64, lstat);
ALSO(fstat64, fstat);
ALSO(fstatat64, fstatat);

/* How programs of glibc before 2.33 call them. The version says which struct is meant; there is one. */

EXPORT int __xstat(int version, const char *path, struct stat *result)
{
    (void)version;
    return stat(path, result);
}

EXPORT int __lxstat(int version, const char *path, struct stat *result)
{
    (void)version;
    return lstat(path, result);
}

EXPORT int __fxstat(int version, int file, struct stat *result)
{
    (void)version;
    return fstat(file, result);
}

EXPORT int __fxstatat(int version, int folder, const char *path, struct stat *result, int flags)
{
    (void)version;
    return fstatat(folder, path, result, flags);
}

ALSO(__xstat64, __xstat);
ALSO(__lxstat64, __lxstat);
ALSO(__fxstat64, __fxstat);
ALSO(__fxstatat64, __fxstatat);

/* As makedev(3) packs them; the functions for it have other names in other libcs. */
static uint32_t major_of(uint64_t device)
{
    return (uint32_t)((device >> 8 & 0xfff) | (device >> 32 & ~0xfffu));
}

static uint32_t minor_of(uint64_t device)
{
    return (uint32_t)((device & 0xff) | (device >> 12 & ~0xffu));
}

/* An older kernel has no statx. Nor has PRoot, for which the runner lets it seem so. */
static int statx_by_stat(int folder, const char *path, int flags, struct statx *result)
{
    struct stat status;
    bool recorded;
    if (pocket_stat(folder, path, flags & ~AT_STATX_SYNC_TYPE, &status, &recorded))
        return -1;
    memset(result, 0, sizeof *result);
    result->stx_mask = STATX_BASIC_STATS;
    result->stx_blksize = (uint32_t)status.st_blksize;
    result->stx_nlink = (uint32_t)status.st_nlink;
    result->stx_uid = status.st_uid;
    result->stx_gid = status.st_gid;
    result->stx_mode = (uint16_t)status.st_mode;
    result->stx_ino = status.st_ino;
    result->stx_size = (uint64_t)status.st_size;
    result->stx_blocks = (uint64_t)status.st_blocks;
    result->stx_atime.tv_sec = status.st_atim.tv_sec;
    result->stx_atime.tv_nsec = (uint32_t)status.st_atim.tv_nsec;
    result->stx_mtime.tv_sec = status.st_mtim.tv_sec;
    result->stx_mtime.tv_nsec = (uint32_t)status.st_mtim.tv_nsec;
    result->stx_ctime.tv_sec = status.st_ctim.tv_sec;
    result->stx_ctime.tv_nsec = (uint32_t)status.st_ctim.tv_nsec;
    result->stx_rdev_major = major_of(status.st_rdev);
    result->stx_rdev_minor = minor_of(status.st_rdev);
    result->stx_dev_major = major_of(status.st_dev);
    result->stx_dev_minor = minor_of(status.st_dev);
    return 0;
}

EXPORT int statx(int folder, const char *restrict path, int flags, unsigned mask, struct statx *restrict result)
{
    struct file file;
    if (syscall(SYS_statx, folder, path, flags, mask, result))
        return errno == ENOSYS ? statx_by_stat(folder, path, flags, result) : -1;
    name_file(&file, folder, path, flags);
    correct(&file, &result->stx_uid, &result->stx_gid);
    return 0;
}
