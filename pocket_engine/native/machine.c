/* The host's name, where the kernel cannot give a container one of its own. */
#include "pocket.h"

#include <sys/utsname.h>

static void copy(char *to, size_t room, const char *from)
{
    size_t i = 0;
    for (; from[i] && i + 1 < room; i++)
        to[i] = from[i];
    to[i] = 0;
}

EXPORT int uname(struct utsname *result)
{
    const char *name = getenv("POCKET_HOSTNAME");
    int failed = (int)syscall(SYS_uname, result);
    if (!failed && name)
        copy(result->nodename, sizeof result->nodename, name);
    return failed;
}

EXPORT int gethostname(char *name, size_t room)
{
    struct utsname machine;
    if (uname(&machine))
        return -1;
    size_t length = 0;
    while (machine.nodename[length])
        length++;
    copy(name, room, machine.nodename);
    if (length < room)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}
