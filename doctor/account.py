"""A user of this machine, and what this user may do with a file."""

from __future__ import annotations

import grp
import os
import pwd
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

READ, WRITE, ENTER = os.R_OK, os.W_OK, os.X_OK
# Tags of the entries of a POSIX access control list (linux/posix_acl.h): named user, owning group, named group, mask.
_USER, _OWNING_GROUP, _GROUP, _MASK = 2, 4, 8, 16


@dataclass(frozen=True, slots=True)
class Account:
    """A user, with the groups that the server has if it runs as this user.

    Attributes:
        name: the name of the user.
        uid: the id of the user.
        gid: the id of the main group.
        groups: the ids of all groups.
        is_current: whether the doctor itself runs as this user.
    """

    name: str
    uid: int
    gid: int
    groups: frozenset[int]
    is_current: bool

    def may(self, file: Path, rights: int) -> bool:
        """Whether this user has the rights to a file: a combination of READ, WRITE and ENTER.

        The folders on the way to the file are not examined.

        Raises:
            OSError: the file does not exist, or the doctor may not look at it.
        """
        if self.is_current:
            file.stat()
            return os.access(file, rights)
        return self.uid == 0 or self._granted(file, rights)

    def _granted(self, file: Path, rights: int) -> bool:
        """Decide by the mode and the access control list of the file, as acl(5) describes."""
        status = file.stat()
        user, group, other = (status.st_mode >> shift & 7 for shift in (6, 3, 0))
        if self.uid == status.st_uid:
            return user & rights == rights
        entries = _access_list(file)
        mask = next((granted for tag, granted, _ in entries if tag == _MASK), 7)
        for tag, granted, whose in entries:
            if tag == _USER and whose == self.uid:
                return granted & mask & rights == rights
        of_groups = [granted & mask for tag, granted, whose in entries if tag == _GROUP and whose in self.groups]
        if status.st_gid in self.groups:
            # With an access control list, the group bits of the mode are its mask.
            of_groups.append(next((granted & mask for tag, granted, _ in entries if tag == _OWNING_GROUP), group))
        if of_groups:
            return any(granted & rights == rights for granted in of_groups)
        return other & rights == rights


def current() -> Account:
    """The user who runs the doctor."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container, a user may have no name
        name = str(uid)
    return Account(name, uid, os.getegid(), frozenset((os.getegid(), *os.getgroups())), True)


def named(name: str, groups: Iterable[str] = ()) -> Account:
    """The user with this name. Of the additional `groups`, the first one is the main group.

    Raises:
        LookupError: there is no such user or group.
    """
    user = pwd.getpwnam(name) if not name.isdigit() else pwd.getpwuid(int(name))
    given = [int(group) if group.isdigit() else grp.getgrnam(group).gr_gid for group in groups]
    gid = given[0] if given else user.pw_gid
    ids = frozenset((gid, *given, *os.getgrouplist(user.pw_name, gid)))
    is_current = user.pw_uid == os.geteuid() and ids <= {os.getegid(), *os.getgroups()}
    return Account(user.pw_name, user.pw_uid, gid, ids, is_current)


def _access_list(file: Path) -> list[tuple[int, int, int]]:
    """The entries of the access control list: tag, rights, and the id of a user or group. Empty if there is none."""
    try:
        packed = os.getxattr(file, "system.posix_acl_access")
    except OSError:
        return []
    return list(struct.iter_unpack("<HHI", packed[4:]))  # 4 bytes of version, then entries of 8 bytes
