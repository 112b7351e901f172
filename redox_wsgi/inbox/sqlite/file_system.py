"""What file system a folder is on, and which file lies at a path."""

from __future__ import annotations

import os
import re

# "WAL does not work over a network filesystem": its index is shared memory.
# -- https://www.sqlite.org/wal.html
# And locks of other systems are too often only said to work.
# -- https://www.sqlite.org/lockingv3.html#how_to_corrupt
_OF_NETWORKS = re.compile(
    "9p|afs|beegfs|ceph|cifs|davfs|gfs2|glusterfs|lustre|ncpfs|nfs4?|ocfs2|smb[23]|smbfs"
    r"|fuse\.(ceph|glusterfs|rclone|s3fs|sshfs)"
)

_ESCAPED = re.compile(r"\\([0-7]{3})")


def find_file_system(path: str, mounts: str = "/proc/mounts") -> str:
    """Return the kind of file system that a path is on, such as ``ext4``.

    Args:
        path: The path; it need not exist.
        mounts: The kernel's list, as of fstab(5).

    Returns:
        The kind, or ``unknown`` where there is no such list.
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split(" ") for line in file]
    except OSError:
        return "unknown"
    real = os.path.join(os.path.realpath(path), "")
    kind, longest = "unknown", 0
    for _, raw_point, found, *_ in lines:
        point = os.path.join(_ESCAPED.sub(_unescape, raw_point), "")
        # Of two on one point the later one lies on top.
        if len(point) >= longest and real.startswith(point):
            kind, longest = found, len(point)
    return kind


def is_of_network(kind: str) -> bool:
    """Tell whether a kind of file system may be shared between machines."""
    return _OF_NETWORKS.fullmatch(kind) is not None


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


def find_if_same(path: str, opened: os.stat_result | None) -> os.stat_result | None:
    """Return what is at a path if it is the file that was opened, else None.

    A file that was removed, moved or replaced can still be written, and what is written
    there is found by nobody.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    if opened is None or opened.st_ino != found.st_ino or opened.st_dev != found.st_dev:
        return None
    return found


def sync_folder(path: str) -> None:
    """Force the names in a folder to the disk: a new file is lost without its name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
