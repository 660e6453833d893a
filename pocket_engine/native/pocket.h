/* The library that the engine preloads into every program of a container.
 *
 * It lets one ordinary user's processes live as if each container had addresses, users and owners of its own:
 *
 *   addresses.c    what a program sees is the container's address in its networks; what the kernel sees is a real one
 *   connections.c  end when a container leaves a network
 *   identities.c   users and groups that a program becomes
 *   owners.c       owners of files, kept in an extended attribute
 *   permissions.c  what those owners and the mode bits forbid
 *   machine.c      the host's name
 *   hiding.c       how it stays, and is not seen
 *   numbers.c      decimal digits
 *
 * It is no security boundary: a program that makes system calls by itself (a static one, Go's) is not held up by it.
 *
 * It must load into any libc, older or newer, glibc or musl. So it asks the kernel itself, and needs of the libc
 * only what all have had for decades: syscall, errno, environ, getenv, setenv, unsetenv, fdopen, fdopendir,
 * getgrouplist, str… and mem….
 *
 * What it is told:
 *
 *   /run/pocket-engine/network   The table of addresses (see addresses.c). Without it addresses are left alone: the
 *                                container shares the machine's network.
 *   POCKET_IDENTITY              UID:GID or UID:GID:GROUP,GROUP,… of a new program. Set by the runner where the
 *                                kernel cannot know (supplementary groups; under proot all of it), and by this
 *                                library when a program becomes somebody else, so that what it starts is the same.
 *                                Unset: what the kernel says.
 *
 * And for runners without namespaces (proot) only; with namespaces the kernel knows all of this:
 *
 *   POCKET_CAPABILITIES          The bounding set, a hexadecimal mask as CapBnd in /proc/self/status.
 *   POCKET_HOSTNAME              What gethostname and uname say.
 *   POCKET_READ_ONLY             Absolute paths, separated by colons, below which writing fails with EROFS.
 *                                "/" makes the whole root read-only.
 *   POCKET_WRITABLE              Exceptions from it (mounts). The longest path that fits decides.
 */
#ifndef POCKET_H
#define POCKET_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define KEEP ((uid_t)-1) /* To change an id: leave it. */
#define NOBODY 65534     /* How the kernel shows ids that the container's user namespace does not have. */

#define EXPORT __attribute__((visibility("default")))

/* A second name for a function: the one that programs for large files, or of an older libc, call it by. */
#define ALSO(name, function) \
    __asm__(".globl " #name "\n.type " #name ", @function\n.set " #name ", " #function "\n")

enum capability { CHOWN = 0, DAC_OVERRIDE = 1, FOWNER = 3, SETGID = 6, SETUID = 7 };

/* numbers.c; both return where they stopped. */
char *pocket_write_number(char *to, unsigned value); /* With a NUL. */
const char *pocket_read_number(const char *text, unsigned *value);

/* addresses.c */
extern const volatile uint32_t *pocket_table_version; /* 0 while it is written. Null: this process has no network. */
bool pocket_is_reached(int socket); /* Whether the table still allows its peer, where it has one. */

/* connections.c */
void pocket_follow_table(void); /* To be called before whatever may use a connection. */

/* identities.c */
bool pocket_can(enum capability capability); /* Whether this process is root and has the capability. */
bool pocket_in_group(gid_t group);
uid_t pocket_kernel_uid(void); /* The user as whom the kernel knows us: the owner of all files of the container. */

/* owners.c; a null path means the file descriptor `folder` itself. */
struct owner {
    uid_t uid;
    gid_t gid;
};
/* Both return 0, or -1 and errno. */
int pocket_stat(int folder, const char *path, int flags, struct stat *result, bool *recorded);
int pocket_record_owner(int folder, const char *path, int flags, struct owner owner);

#endif
