/* How we stay, and are not seen.
 *
 * musl knows LD_PRELOAD only. glibc also reads /etc/ld.so.preload, which the engine mounts: its programs keep us
 * whatever they do to their environment, and need not see a variable in it that no Docker Engine sets.
 */
#include "pocket.h"

#include <string.h>

#define LIBRARY "/run/pocket-engine/libpocket.so"

extern const char *gnu_get_libc_version(void) __attribute__((weak));

__attribute__((constructor)) static void hide(void)
{
    struct stat status;
    const char *preloaded = getenv("LD_PRELOAD");
    if (!gnu_get_libc_version || !preloaded || strcmp(preloaded, LIBRARY))
        return;
    /* An empty file is the place for one; there is none. */
    if (!syscall(SYS_newfstatat, AT_FDCWD, "/etc/ld.so.preload", &status, 0) && status.st_size)
        unsetenv("LD_PRELOAD");
}
