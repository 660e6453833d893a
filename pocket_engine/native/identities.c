/* Identities: users and groups that a program becomes.
 *
 * The kernel knows one user for the whole container. Who has it become another (gosu, su, apt's sandbox) is
 * told that it did, from then on hears that it is, and is held to it by permissions.c. The rules are the kernel's
 * own: root becomes anybody, others only who they are or were.
 */
#include "pocket.h"

#include <grp.h>
#include <string.h>
#include <sys/prctl.h>

#define MOST_GROUPS 64
#define IDENTITY "POCKET_IDENTITY="

struct ids {
    unsigned real, effective, saved;
};

static struct {
    bool known;
    uid_t kernel_uid;
    uint64_t bounding_set;
    struct ids user, group;
    int count;
    gid_t groups[MOST_GROUPS];
    char told[sizeof IDENTITY + (MOST_GROUPS + 2) * 11]; /* The variable, once there was a reason to set it. */
} self;

static void read_identity(const char *text)
{
    unsigned uid, gid, group;
    text = pocket_read_number(text, &uid);
    text = pocket_read_number(text + (*text == ':'), &gid);
    self.user = (struct ids){uid, uid, uid};
    self.group = (struct ids){gid, gid, gid};
    for (self.count = 0; *text && self.count < MOST_GROUPS; self.groups[self.count++] = group)
        text = pocket_read_number(text + 1, &group);
}

static void ask_kernel(void)
{
    gid_t groups[MOST_GROUPS];
    syscall(SYS_getresuid, &self.user.real, &self.user.effective, &self.user.saved);
    syscall(SYS_getresgid, &self.group.real, &self.group.effective, &self.group.saved);
    long count = syscall(SYS_getgroups, MOST_GROUPS, groups);
    self.count = 0;
    for (long i = 0; i < count; i++)
        if (groups[i] != NOBODY)
            self.groups[self.count++] = groups[i];
}

static uint64_t hexadecimal(const char *text)
{
    uint64_t value = 0;
    for (; *text; text++)
        value = value << 4 | (uint64_t)(*text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10);
    return value;
}

static uint64_t bounding_set(void)
{
    static const enum capability asked[] = {CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID};
    const char *mask = getenv("POCKET_CAPABILITIES");
    uint64_t found = 0;
    if (mask)
        return hexadecimal(mask);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        if (syscall(SYS_prctl, PR_CAPBSET_READ, (unsigned long)asked[i], 0UL, 0UL, 0UL) == 1)
            found |= 1ULL << asked[i];
    return found;
}

static void know(void)
{
    if (self.known)
        return;
    const char *told = getenv("POCKET_IDENTITY");
    self.kernel_uid = (uid_t)syscall(SYS_getuid);
    self.bounding_set = bounding_set();
    if (told && *told >= '0' && *told <= '9')
        read_identity(told);
    else
        ask_kernel();
    self.known = true;
}

/* So that programs that this one starts are who it is now. */
static int tell_children(void)
{
    char *end = pocket_write_number(self.told + sizeof IDENTITY - 1, self.user.effective);
    memcpy(self.told, IDENTITY, sizeof IDENTITY - 1);
    *end++ = ':';
    end = pocket_write_number(end, self.group.effective);
    for (int i = 0; i < self.count; i++) {
        *end++ = i ? ',' : ':';
        end = pocket_write_number(end, self.groups[i]);
    }
    return setenv("POCKET_IDENTITY", self.told + sizeof IDENTITY - 1, 1);
}

bool pocket_can(enum capability capability)
{
    know();
    return self.user.effective == 0 && self.bounding_set >> capability & 1;
}

bool pocket_in_group(gid_t group)
{
    know();
    for (int i = 0; i < self.count; i++)
        if (self.groups[i] == group)
            return true;
    return self.group.effective == group;
}

uid_t pocket_kernel_uid(void)
{
    know();
    return self.kernel_uid;
}

static bool is_one_of(const struct ids *ids, unsigned id)
{
    return id == KEEP || id == ids->real || id == ids->effective || id == ids->saved;
}

/* Also who was root and asked to keep capabilities (setpriv, which changes the user first). */
static bool may_become(enum capability capability)
{
    return pocket_can(capability) || (*self.told && syscall(SYS_prctl, PR_GET_KEEPCAPS, 0UL, 0UL, 0UL, 0UL) == 1);
}

static int become(struct ids *ids, enum capability capability, unsigned real, unsigned effective, unsigned saved)
{
    know();
    bool own = is_one_of(ids, real) && is_one_of(ids, effective) && is_one_of(ids, saved);
    if (!own && !may_become(capability)) {
        errno = EPERM;
        return -1;
    }
    if (real != KEEP)
        ids->real = real;
    if (effective != KEEP)
        ids->effective = effective;
    if (saved != KEEP)
        ids->saved = saved;
    return tell_children();
}

static int become_for_good(struct ids *ids, enum capability capability, unsigned id)
{
    know();
    return may_become(capability) ? become(ids, capability, id, id, id) : become(ids, capability, KEEP, id, KEEP);
}

/* setreuid's rule: whoever changes the real id, or becomes other than it, cannot come back. */
static int become_both(struct ids *ids, enum capability capability, unsigned real, unsigned effective)
{
    know();
    bool leaves = real != KEEP || (effective != KEEP && effective != ids->real);
    unsigned saved = !leaves ? KEEP : effective == KEEP ? ids->effective : effective;
    return become(ids, capability, real, effective, saved);
}

EXPORT uid_t getuid(void)
{
    know();
    return self.user.real;
}

EXPORT uid_t geteuid(void)
{
    know();
    return self.user.effective;
}

EXPORT gid_t getgid(void)
{
    know();
    return self.group.real;
}

EXPORT gid_t getegid(void)
{
    know();
    return self.group.effective;
}

EXPORT int getresuid(uid_t *real, uid_t *effective, uid_t *saved)
{
    know();
    *real = self.user.real;
    *effective = self.user.effective;
    *saved = self.user.saved;
    return 0;
}

EXPORT int getresgid(gid_t *real, gid_t *effective, gid_t *saved)
{
    know();
    *real = self.group.real;
    *effective = self.group.effective;
    *saved = self.group.saved;
    return 0;
}

EXPORT int getgroups(int room, gid_t *groups)
{
    know();
    if (room && room < self.count) {
        errno = EINVAL;
        return -1;
    }
    for (int i = 0; room && i < self.count; i++)
        groups[i] = self.groups[i];
    return self.count;
}

EXPORT int setuid(uid_t uid)
{
    return become_for_good(&self.user, SETUID, uid);
}

EXPORT int setgid(gid_t gid)
{
    return become_for_good(&self.group, SETGID, gid);
}

EXPORT int seteuid(uid_t uid)
{
    return become(&self.user, SETUID, KEEP, uid, KEEP);
}

EXPORT int setegid(gid_t gid)
{
    return become(&self.group, SETGID, KEEP, gid, KEEP);
}

EXPORT int setreuid(uid_t real, uid_t effective)
{
    return become_both(&self.user, SETUID, real, effective);
}

EXPORT int setregid(gid_t real, gid_t effective)
{
    return become_both(&self.group, SETGID, real, effective);
}

EXPORT int setresuid(uid_t real, uid_t effective, uid_t saved)
{
    return become(&self.user, SETUID, real, effective, saved);
}

EXPORT int setresgid(gid_t real, gid_t effective, gid_t saved)
{
    return become(&self.group, SETGID, real, effective, saved);
}

EXPORT int setgroups(size_t count, const gid_t *groups)
{
    know();
    if (!may_become(SETGID)) {
        errno = EPERM;
        return -1;
    }
    if (count > MOST_GROUPS) {
        errno = EINVAL;
        return -1;
    }
    self.count = (int)count;
    for (size_t i = 0; i < count; i++)
        self.groups[i] = groups[i];
    return tell_children();
}

EXPORT int initgroups(const char *user, gid_t group)
{
    gid_t groups[MOST_GROUPS];
    int count = MOST_GROUPS;
    if (getgrouplist(user, group, groups, &count) < 0)
        count = MOST_GROUPS;
    return setgroups((size_t)count, groups);
}

/* A program that clears its environment before it starts another (su -) must not make root of it. */
EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    size_t count = 0;
    bool told = !*self.told;
    for (; environment && environment[count]; count++)
        told = told || !strncmp(environment[count], IDENTITY, sizeof IDENTITY - 1);
    if (told)
        return (int)syscall(SYS_execve, path, arguments, environment);
    const char *completed[count + 2];
    memcpy(completed, environment, count * sizeof *completed);
    completed[count] = self.told;
    completed[count + 1] = NULL;
    return (int)syscall(SYS_execve, path, arguments, completed);
}

EXPORT int execv(const char *path, char *const arguments[])
{
    return execve(path, arguments, environ);
}
