/* Addresses: a container's own localhost, and its addresses in its networks.
 *
 * The kernel gives every ordinary user all of 127.0.0.0/8. The container has three addresses of it, real ones:
 *
 *   own           127.A.x.y       where it listens for everybody (0.0.0.0, [::], its address in a network)
 *   own + 64      127.(A+64).x.y  its localhost: what is bound to 127.0.0.1 is not reached from elsewhere
 *   own + 128     127.(A+128).x.y its [::1], and sockets for IPv6 only
 *
 * Ports are kept apart from the machine's own as well: a service of the machine on 0.0.0.0:5000 would take that
 * port on all addresses, and ports below 1024 are root's. So a container's port is real under another number.
 *
 * The table has one line an address. The first is `own`; the others, of which the first that fits decides:
 *
 *   172.18.0.3 127.66.0.3     what is seen, what is real
 *   172.18.0.1 127.0.0.1      a gateway: the machine itself
 *   172.18.0.0/16 -           nobody has it
 *   0.0.0.0/0 -               no way out (internal networks)
 *
 * It is mapped, not read: what the engine writes into it is seen at once, at no cost. Its last four bytes are a
 * number that differs from table to table, and is 0 while the engine writes.
 */
#include "pocket.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifndef TABLE /* The tests have no container around them. */
#define TABLE "/run/pocket-engine/network"
#endif
#define TABLE_BYTES 65536 /* The file's fixed size; the text ends at its first NUL. */

#define PORT_MASK 0xFC00 /* Moves ports below 1024 above 64511, and no common port below 1024. */
#define LOCALHOST 0x7F000001u
#define FIRST_OF_CONTAINERS 0x7F400000u /* 127.64.0.0 */
#define TO_LOCALHOST (64u << 16)
#define TO_LOCALHOST6 (128u << 16)

/* An IPv4 address, or one that an IPv6 socket knows as ::ffff:a.b.c.d; of IPv6's own only [::] and [::1]. */
struct place {
    bool six;
    bool localhost6;
    uint32_t address;
    uint16_t port;
};

struct line {
    uint32_t seen, mask, real; /* real 0: nobody has it. */
};

const volatile uint32_t *pocket_table_version;

static const char *table(void)
{
    static const char *volatile text;
    if (!text) {
        long file = syscall(SYS_openat, AT_FDCWD, TABLE, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            return NULL;
        if (syscall(SYS_lseek, file, 0L, SEEK_END) < TABLE_BYTES) { /* The place for one; there is none. */
            syscall(SYS_close, file);
            return NULL;
        }
        void *mapped = (void *)syscall(SYS_mmap, NULL, TABLE_BYTES, PROT_READ, MAP_SHARED, file, 0L);
        syscall(SYS_close, file);
        if (mapped == MAP_FAILED)
            return NULL;
        text = mapped;
        pocket_table_version = (const void *)(text + TABLE_BYTES - sizeof *pocket_table_version);
    }
    return text;
}

static const char *dotted(const char *text, uint32_t *address)
{
    *address = 0;
    for (int part = 0; part < 4; part++) {
        uint32_t value;
        text = pocket_read_number(text, &value);
        *address = *address << 8 | value;
        if (part < 3 && *text == '.')
            text++;
    }
    return text;
}

static const char *next_line(const char *text, struct line *line)
{
    uint32_t bits = 32;
    while (*text && *text != '\n')
        text++;
    if (!*text || !text[1])
        return NULL;
    text = dotted(text + 1, &line->seen);
    if (*text == '/')
        text = pocket_read_number(text + 1, &bits);
    line->mask = bits ? ~0u << (32 - bits) : 0;
    if (*text == ' ')
        text++;
    if (*text == '-')
        line->real = 0;
    else
        text = dotted(text, &line->real);
    return text;
}

static uint32_t own(void)
{
    uint32_t address;
    dotted(table(), &address);
    return address;
}

static bool find_seen(uint32_t address, struct line *line)
{
    for (const char *text = table(); (text = next_line(text, line));)
        if ((address & line->mask) == line->seen)
            return true;
    return false;
}

static bool find_real(uint32_t address, struct line *line)
{
    for (const char *text = table(); (text = next_line(text, line));)
        if (line->real == address)
            return true;
    return false;
}

static bool of_containers(uint32_t address)
{
    return address >> 24 == 127 && address >= FIRST_OF_CONTAINERS;
}

static bool is_own(uint32_t address)
{
    return address == own() || address == own() + TO_LOCALHOST || address == own() + TO_LOCALHOST6;
}

/* Between what programs give and take, and a place. */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

static bool read_place(const struct sockaddr *from, socklen_t length, struct place *place)
{
    if (!from || !table())
        return false;
    if (from->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *four = (const void *)from;
        *place = (struct place){.address = ntohl(four->sin_addr.s_addr), .port = ntohs(four->sin_port)};
        return true;
    }
    if (from->sa_family != AF_INET6 || length < offsetof(struct sockaddr_in6, sin6_scope_id))
        return false;
    const struct sockaddr_in6 *six = (const void *)from;
    const uint8_t *bytes = six->sin6_addr.s6_addr;
    bool zeros = true, four = true;
    for (int i = 0; i < 12; i++) {
        zeros &= bytes[i] == 0;
        four &= bytes[i] == mapped[i];
    }
    uint32_t last = (uint32_t)bytes[12] << 24 | bytes[13] << 16 | bytes[14] << 8 | bytes[15];
    *place = (struct place){.six = true, .address = last, .port = ntohs(six->sin6_port)};
    if (zeros && last == 1) {
        place->localhost6 = true;
        place->address = LOCALHOST;
    }
    return four || (zeros && last <= 1);
}

static socklen_t write_place(struct sockaddr_in6 *to, const struct place *place)
{
    if (!place->six) {
        struct sockaddr_in *four = (void *)to;
        *four = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_addr.s_addr = htonl(place->address), .sin_port = htons(place->port)};
        return sizeof *four;
    }
    *to = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(place->port)};
    uint8_t *bytes = to->sin6_addr.s6_addr;
    if (place->localhost6) {
        bytes[15] = 1;
    } else if (place->address) {
        for (int i = 0; i < 12; i++)
            bytes[i] = mapped[i];
        for (int i = 0; i < 4; i++)
            bytes[12 + i] = (uint8_t)(place->address >> (24 - 8 * i));
    }
    return sizeof *to;
}

/* What the kernel is asked. */

static int option(int socket, int level, int name)
{
    int value = 0;
    socklen_t length = sizeof value;
    return syscall(SYS_getsockopt, socket, level, name, &value, &length) ? 0 : value;
}

static void set_option(int socket, int level, int name, int value)
{
    syscall(SYS_setsockopt, socket, level, name, &value, sizeof value);
}

static bool real_name(int socket, long call, struct place *place)
{
    struct sockaddr_in6 name = {0};
    socklen_t length = sizeof name;
    return !syscall(call, socket, &name, &length) && read_place((void *)&name, length, place);
}

static bool is_unbound(int socket)
{
    struct place place;
    return real_name(socket, SYS_getsockname, &place) && !place.port && !place.address;
}

static int bind_real(int socket, bool six, uint32_t address, uint16_t port)
{
    struct sockaddr_in6 name;
    struct place place = {.six = six, .address = address, .port = port ? port ^ PORT_MASK : 0};
    socklen_t length = write_place(&name, &place);
    if (six) /* An IPv6 socket gets at 127.0.0.0/8 only when it speaks IPv4 too. */
        set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    return (int)syscall(SYS_bind, socket, &name, length);
}

/* A bound address that nobody has yet can be bound, which is the cheapest way to ask. */
static bool is_taken(uint32_t address, uint16_t port, int type)
{
    int probe = (int)syscall(SYS_socket, AF_INET, type | SOCK_CLOEXEC, 0);
    bool taken = probe >= 0 && bind_real(probe, false, address, port) && errno == EADDRINUSE;
    syscall(SYS_close, probe);
    return taken;
}

/* From what is seen to what is real. */

enum route { AS_IT_IS, CHANGED, REFUSED };

/* `source` becomes the address from which the peer should see us come. */
static enum route to_real(int socket, struct place *place, uint32_t *source)
{
    struct line line;
    bool listed = find_seen(place->address, &line) && line.mask;
    *source = own();
    if (!listed && (place->address >> 24 == 127 || !place->address)) {
        *source += place->six && (place->localhost6 || !place->address) ? TO_LOCALHOST6 : TO_LOCALHOST;
        int type = option(socket, SOL_SOCKET, SO_TYPE);
        place->address = is_taken(*source, place->port, type) ? *source : own();
        place->localhost6 = false;
    } else if (!find_seen(place->address, &line)) {
        return AS_IT_IS;
    } else if (!line.real) {
        errno = line.mask ? EHOSTUNREACH : ENETUNREACH;
        return REFUSED;
    } else {
        place->address = line.real;
    }
    if (of_containers(place->address))
        place->port ^= PORT_MASK;
    if (place->six)
        set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    return CHANGED;
}

static bool in_same_network(uint32_t one, uint32_t other)
{
    struct line line;
    for (const char *text = table(); (text = next_line(text, &line));)
        if (!line.real && line.mask && (one & line.mask) == line.seen)
            return (other & line.mask) == line.seen;
    return false;
}

/* From what is real to what is seen. */
static void to_seen(struct place *place)
{
    struct line line;
    uint32_t me = own();
    if (of_containers(place->address))
        place->port ^= PORT_MASK;
    if (place->address == me + TO_LOCALHOST || (place->address == me + TO_LOCALHOST6 && !place->six))
        place->address = LOCALHOST;
    else if (place->address == me + TO_LOCALHOST6)
        place->localhost6 = true;
    else if (find_real(place->address, &line))
        place->address = line.seen;
}

static void give(struct sockaddr *name, socklen_t *length, const struct place *place)
{
    struct sockaddr_in6 seen;
    *length = write_place(&seen, place);
    memcpy(name, &seen, *length);
}

/* A name that the kernel wrote, into `room` bytes. */
static void show(struct sockaddr *name, socklen_t room, socklen_t length)
{
    struct place place;
    if (!name || length > room || !read_place(name, length, &place) || place.address >> 24 != 127)
        return;
    to_seen(&place);
    give(name, &length, &place);
}

/* The machine always is: what comes from there comes through published ports, which the engine closes itself. */
bool pocket_is_reached(int socket)
{
    struct place peer;
    struct line line;
    if (!real_name(socket, SYS_getpeername, &peer))
        return true;
    if (of_containers(peer.address))
        return is_own(peer.address) || find_real(peer.address, &line);
    return peer.address >> 24 == 127 || !find_seen(peer.address, &line) || line.real;
}

/* The peer of a socket. Who called localhost and was answered by a server on all addresses sees localhost. */
static bool seen_peer(int socket, struct place *peer)
{
    struct place local;
    uint32_t me = own();
    if (!real_name(socket, SYS_getpeername, peer) || !real_name(socket, SYS_getsockname, &local))
        return false;
    if (peer->address == me && (local.address == me + TO_LOCALHOST || local.address == me + TO_LOCALHOST6))
        peer->address = local.address;
    to_seen(peer);
    return true;
}

/* The socket's own name: 0.0.0.0 while it waits for everybody, an address once it has a peer. */
static void show_own(int socket, struct place *place)
{
    struct place peer;
    struct line line;
    uint32_t me = own(), real = place->address;
    if (!real && place->port) /* UDP that was bound to port 0. */
        place->port ^= PORT_MASK;
    if (!of_containers(real))
        return;
    to_seen(place);
    if (!seen_peer(socket, &peer)) {
        if (real == me || (real == me + TO_LOCALHOST6 && place->six)) {
            place->address = 0;
            place->localhost6 = false;
        }
    } else if (peer.localhost6 || peer.address >> 24 == 127) {
        place->localhost6 = peer.localhost6;
        place->address = peer.address;
    } else {
        for (const char *text = table(); (text = next_line(text, &line));)
            if (line.real == me && in_same_network(line.seen, peer.address))
                place->address = line.seen;
    }
}

/* A TCP socket bound to port 0 of every address may be a server's, or a client's that will call the internet, which
 * it cannot from a loopback address. So it is bound when it listens, or when its port is asked for; this option is
 * our mark. */
static void mark(int socket)
{
    set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
}

static void settle(int socket)
{
    int family = option(socket, SOL_SOCKET, SO_DOMAIN);
    bool six = family == AF_INET6;
    if (!table() || (!six && family != AF_INET) || !is_unbound(socket))
        return;
    set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0);
    bind_real(socket, six, own() + (six && option(socket, IPPROTO_IPV6, IPV6_V6ONLY) ? TO_LOCALHOST6 : 0), 0);
}

EXPORT int bind(int socket, const struct sockaddr *name, socklen_t length)
{
    struct place place;
    struct line line;
    if (!read_place(name, length, &place))
        return (int)syscall(SYS_bind, socket, name, length);
    if (!place.address) {
        bool six_only = place.six && option(socket, IPPROTO_IPV6, IPV6_V6ONLY);
        if (place.port)
            return bind_real(socket, place.six, own() + (six_only ? TO_LOCALHOST6 : 0), place.port);
        if (option(socket, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
            return (int)syscall(SYS_bind, socket, name, length);
        mark(socket);
        return 0;
    }
    if (place.localhost6)
        return bind_real(socket, true, own() + TO_LOCALHOST6, place.port);
    if (place.address >> 24 == 127)
        return bind_real(socket, place.six, own() + TO_LOCALHOST, place.port);
    if (!find_seen(place.address, &line) || !line.mask)
        return (int)syscall(SYS_bind, socket, name, length);
    if (line.real == own())
        return bind_real(socket, place.six, own(), place.port);
    errno = EADDRNOTAVAIL;
    return -1;
}

EXPORT int listen(int socket, int backlog)
{
    settle(socket);
    return (int)syscall(SYS_listen, socket, backlog);
}

EXPORT int connect(int socket, const struct sockaddr *name, socklen_t length)
{
    struct place place;
    struct sockaddr_in6 real;
    uint32_t source;
    if (!read_place(name, length, &place))
        return (int)syscall(SYS_connect, socket, name, length);
    switch (to_real(socket, &place, &source)) {
    case AS_IT_IS:
        return (int)syscall(SYS_connect, socket, name, length);
    case REFUSED:
        return -1;
    case CHANGED:
        break;
    }
    if (is_unbound(socket)) {
        set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        bind_real(socket, place.six, source, 0);
    }
    length = write_place(&real, &place);
    return (int)syscall(SYS_connect, socket, &real, length);
}

EXPORT ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
{
    struct place place, local;
    struct sockaddr_in6 real;
    uint32_t source;
    pocket_follow_table();
    if (!read_place(message->msg_name, message->msg_namelen, &place))
        return syscall(SYS_sendmsg, socket, message, flags);
    switch (to_real(socket, &place, &source)) {
    case AS_IT_IS:
        return syscall(SYS_sendmsg, socket, message, flags);
    case REFUSED:
        return -1;
    case CHANGED:
        break;
    }
    struct msghdr changed = *message;
    changed.msg_name = &real;
    changed.msg_namelen = write_place(&real, &place);
    /* A socket that is bound to no address would be seen to come from the machine. */
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } from = {0};
    if (!message->msg_controllen && real_name(socket, SYS_getsockname, &local) && !local.address) {
        from.header.cmsg_level = IPPROTO_IP;
        from.header.cmsg_type = IP_PKTINFO;
        from.header.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        ((struct in_pktinfo *)CMSG_DATA(&from.header))->ipi_spec_dst.s_addr = htonl(source);
        changed.msg_control = &from;
        changed.msg_controllen = sizeof from;
    }
    return syscall(SYS_sendmsg, socket, &changed, flags);
}

EXPORT ssize_t sendto(int socket, const void *bytes, size_t count, int flags, const struct sockaddr *name,
                      socklen_t length)
{
    struct place place;
    pocket_follow_table();
    if (!read_place(name, length, &place))
        return syscall(SYS_sendto, socket, bytes, count, flags, name, length);
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_name = (void *)name, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(socket, &message, flags);
}

EXPORT int getsockname(int socket, struct sockaddr *restrict name, socklen_t *restrict length)
{
    struct place place;
    if (table() && option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT))
        settle(socket);
    socklen_t room = *length;
    int result = (int)syscall(SYS_getsockname, socket, name, length);
    if (result || *length > room || !read_place(name, *length, &place))
        return result;
    show_own(socket, &place);
    give(name, length, &place);
    return 0;
}

EXPORT int getpeername(int socket, struct sockaddr *restrict name, socklen_t *restrict length)
{
    struct place place;
    socklen_t room = *length;
    int result = (int)syscall(SYS_getpeername, socket, name, length);
    if (!result && *length <= room && read_place(name, *length, &place) && seen_peer(socket, &place))
        give(name, length, &place);
    return result;
}

EXPORT int accept4(int socket, struct sockaddr *restrict name, socklen_t *restrict length, int flags)
{
    socklen_t room = length ? *length : 0;
    int result = (int)syscall(SYS_accept4, socket, name, length, flags);
    if (result >= 0 && length)
        show(name, room, *length);
    return result;
}

EXPORT int accept(int socket, struct sockaddr *restrict name, socklen_t *restrict length)
{
    return accept4(socket, name, length, 0);
}

EXPORT ssize_t recvfrom(int socket, void *restrict bytes, size_t count, int flags, struct sockaddr *restrict name,
                        socklen_t *restrict length)
{
    socklen_t room = length ? *length : 0;
    pocket_follow_table();
    ssize_t result = syscall(SYS_recvfrom, socket, bytes, count, flags, name, length);
    if (result >= 0 && length)
        show(name, room, *length);
    return result;
}

EXPORT ssize_t recvmsg(int socket, struct msghdr *message, int flags)
{
    socklen_t room = message->msg_namelen;
    pocket_follow_table();
    ssize_t result = syscall(SYS_recvmsg, socket, message, flags);
    if (result >= 0)
        show(message->msg_name, room, message->msg_namelen);
    return result;
}
