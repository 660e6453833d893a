/* The preloaded library: what it is told, and by whom.
 *
 * /run/pocket-engine/network   The container's table of addresses (see addresses.c). Without it addresses are left
 *                              alone: the container shares the machine's network.
 *
 * Variables, for runners without namespaces (proot) only; with namespaces the kernel knows all of this itself:
 *
 * POCKET_CAPABILITIES          The bounding set of capabilities, a hexadecimal mask as in /proc/self/status (CapBnd).
 *                              Unset: the kernel's own.
 * POCKET_HOSTNAME              What gethostname() and uname() say.
 * POCKET_READ_ONLY             Absolute paths, separated by colons, below which writing fails with EROFS.
 *                              "/" makes the whole root read-only.
 * POCKET_WRITABLE              Exceptions from it: absolute paths (mounts, tmpfs) that may be written all the same.
 *                              The longest path that fits decides.
 */
