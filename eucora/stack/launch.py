"""Become another program under conditions only the child itself can set, then leave no trace: a stub run by path.

Usage: ``python -I -S launch.py PARENT SIGNAL USER COMMAND...`` where PARENT is the id of the process that must outlive
the command, SIGNAL what the kernel sends to the command when that parent dies (prctl(2), PR_SET_PDEATHSIG: Linux only),
and USER a name to run as, or ``-``.

Postgres refuses to run as root. With USER given, the stub drops to that account and keeps one capability, passing
file permissions by (CAP_DAC_OVERRIDE): so an environment under ``/root`` works with neither a new system account nor
wider permissions on anybody's folders. Imports the standard library alone, and little of it: this is on the path of
every start.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
LINUX_CAPABILITY_VERSION_3 = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _checked(libc: ctypes.CDLL, name: str, *arguments: object) -> None:
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def drop_to(user: str, libc: ctypes.CDLL) -> None:
    """Become ``user``, keeping CAP_DAC_OVERRIDE across the exec that follows.

    Raises OSError when the kernel refuses, KeyError when there is no such account.
    """
    entry = pwd.getpwnam(user)
    _checked(libc, "prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    mask = 1 << CAP_DAC_OVERRIDE
    header = _CapabilityHeader(LINUX_CAPABILITY_VERSION_3, 0)
    sets = (_CapabilitySets * 2)(_CapabilitySets(mask, mask, mask), _CapabilitySets(0, 0, 0))
    _checked(libc, "capset", ctypes.byref(header), ctypes.byref(sets))
    _checked(libc, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def main(arguments: list[str]) -> None:
    """Apply the conditions, then replace this process by the command."""
    parent, death_signal, user, *command = arguments
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if user != "-":
            drop_to(user, libc)
        # After the change of account, which would clear it.
        _checked(libc, "prctl", PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit("the process that started this one is gone")
    os.execvp(command[0], command)  # noqa: S606 - replacing this process is the point


if __name__ == "__main__":
    main(sys.argv[1:])
