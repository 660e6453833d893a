"""Who a program is: users and groups by a container's own lists."""

import re

_LARGEST_ID = 2**31 - 1


class NoSuchUser(Exception):
    """A user or group is in none of the container's lists. The text is the Docker Engine's."""


class Identity:
    """A user of a container.

    Args:
        wanted: as Docker writes it: "", "app", "10001", "app:staff", "10001:10001".
        root: the folder of the container's root file system.

    Attributes:
        user, group: the numbers.
        groups: numbers of more groups.
        home: the home folder.

    Raises:
        NoSuchUser: there is no such user or group.
    """

    def __init__(self, wanted: str, groups: list[str], root: str = "") -> None:
        user, _, group = wanted.partition(":")
        lines = _lines(f"{root}/etc/group", 4)
        self.user, self.group, self.home, name = self._find_user(user, _lines(f"{root}/etc/passwd", 7))
        self.groups = [int(line[2]) for line in lines if name and not group and name in line[3].split(",")]
        if group:
            self.group = _find_group(
                group, lines, "unable to find group {}: no matching entries in group file"
            )
        self.groups += [_find_group(more, lines, "Unable to find group {}") for more in groups]

    @staticmethod
    def _find_user(user: str, lines: list[list[str]]) -> tuple[int, int, str, str]:
        for line in lines:
            if line[0] == user or line[2] == (user or "0"):
                return int(line[2]), int(line[3]), line[5] or "/", line[0]
        if user and not re.fullmatch(r"-?\d+", user):
            raise NoSuchUser(f"unable to find user {user}: no matching entries in passwd file")
        return _checked(user or "0"), 0, "/", ""


def _find_group(group: str, lines: list[list[str]], complaint: str) -> int:
    for line in lines:
        if group in (line[0], line[2]):
            return int(line[2])
    if not re.fullmatch(r"-?\d+", group):
        raise NoSuchUser(complaint.format(group))
    return _checked(group)


def _checked(number: str) -> int:
    if not 0 <= int(number) <= _LARGEST_ID:
        raise NoSuchUser(f"uids and gids must be in range 0-{_LARGEST_ID}")
    return int(number)


def _lines(file: str, fields: int) -> list[list[str]]:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as text:
            lines = [line.rstrip("\n").split(":") for line in text if not line.startswith("#")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [line for line in lines if len(line) >= fields and line[2].isdigit()]
