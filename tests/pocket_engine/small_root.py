"""A root file system of a few of this machine's own programs, for tests that run something inside one."""

import os
import re
import shutil
import subprocess
from pathlib import Path

PROGRAMS = (
    *("sh", "bash", "cat", "chmod", "chown", "env", "false", "grep", "head", "hostname", "id", "ln", "ls"),
    *("mkdir", "mv", "ps", "readlink", "rm", "seq", "sleep", "sort", "stat", "tail", "touch", "tr", "true"),
    *("tty", "wc"),
)

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:10001:10001::/home/app:/bin/sh\n"
GROUP = "root:x:0:\nstaff:x:50:app\napp:x:10001:\n"


def make(folder: Path) -> Path:
    """Fill a new folder as one layer: programs with their libraries, /etc/passwd, the usual folders.

    Users: root (0) and app (10001, home /home/app, also in group staff, 50).

    Returns:
        The folder.
    """
    for name in ("bin", "dev", "etc", "home/app", "proc", "root", "sys", "tmp", "usr", "var/log"):
        (folder / name).mkdir(parents=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "root").chmod(0o700)
    (folder / "usr/bin").symlink_to("../bin")
    (folder / "etc/passwd").write_text(PASSWD)
    (folder / "etc/group").write_text(GROUP)
    os.setxattr(folder / "home/app", "user.pocket.owner", b"10001:10001")
    for name in PROGRAMS:
        program = shutil.which(name)
        if program is None:
            continue
        shutil.copy(os.path.realpath(program), folder / "bin" / name)
        for library in _libraries(program):
            inside = folder / library.relative_to("/")
            inside.parent.mkdir(parents=True, exist_ok=True)
            if not inside.exists():
                shutil.copy(library.resolve(), inside)
    return folder


def _libraries(program: str) -> list[Path]:
    """What its loader would load, the loader included, under the names that the loader looks for."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [Path(name) for name in re.findall(r"(/\S+) \(0x", told)]
