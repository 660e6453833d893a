/* Connections that end because a container has left a network.
 *
 * On a real bridge its packets just vanish from then on. Here the kernel would go on carrying them. So whoever sends
 * or receives looks whether the table is still the same, and when it is not, resets all connections of its process
 * that lead to a container which is no longer in it. Both ends do so: at the first word that either of them says, it
 * is over, and whoever waits for the other one is woken. While both are silent nothing happens, as on a bridge.
 *
 * The price of it, as long as the table stays the same, is one comparison.
 */
#include "pocket.h"

#include <sys/socket.h>
#include <sys/uio.h>

static uint32_t followed; /* The version of the table by which this process has looked at its connections. */

struct entry { /* As getdents64 writes it. */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static void cut(int socket)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    if (syscall(SYS_connect, socket, &nobody, sizeof nobody)) /* A reset. Some kernels refuse it. */
        syscall(SYS_shutdown, socket, SHUT_RDWR);
}

static void look_at_all(uint32_t version)
{
    _Alignas(struct entry) char entries[2048];
    long count, folder = syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while ((count = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0) {
        const struct entry *entry;
        for (long at = 0; at < count; at += entry->length) {
            unsigned descriptor;
            entry = (const void *)(entries + at);
            if (entry->name[0] == '.')
                continue;
            pocket_read_number(entry->name, &descriptor);
            /* What was read while the engine wrote may be wrong; then the version is another one by now. */
            if (!pocket_is_reached((int)descriptor) && *pocket_table_version == version)
                cut((int)descriptor);
        }
    }
    syscall(SYS_close, folder);
}

void pocket_follow_table(void)
{
    uint32_t version = pocket_table_version ? *pocket_table_version : 0;
    if (!version || version == followed)
        return;
    int error = errno;
    followed = version;
    look_at_all(version);
    errno = error;
}

EXPORT ssize_t send(int socket, const void *bytes, size_t count, int flags)
{
    pocket_follow_table();
    return syscall(SYS_sendto, socket, bytes, count, flags, NULL, 0L);
}

EXPORT ssize_t recv(int socket, void *bytes, size_t count, int flags)
{
    pocket_follow_table();
    return syscall(SYS_recvfrom, socket, bytes, count, flags, NULL, NULL);
}

EXPORT ssize_t write(int file, const void *bytes, size_t count)
{
    pocket_follow_table();
    return syscall(SYS_write, file, bytes, count);
}

EXPORT ssize_t read(int file, void *bytes, size_t count)
{
    pocket_follow_table();
    return syscall(SYS_read, file, bytes, count);
}

EXPORT ssize_t writev(int file, const struct iovec *parts, int count)
{
    pocket_follow_table();
    return syscall(SYS_writev, file, parts, (long)count);
}

EXPORT ssize_t readv(int file, const struct iovec *parts, int count)
{
    pocket_follow_table();
    return syscall(SYS_readv, file, parts, (long)count);
}
