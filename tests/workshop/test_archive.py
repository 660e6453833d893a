"""What is packed has its content, its owner and its rights."""

import stat
import tarfile

from workshop import archive


def test_files_and_links_are_packed_for_the_service_alone():
    packed = archive.pack({"1/key.pem": b"secret", "empty": b""}, {"current": "1"})
    with tarfile.open(fileobj=packed) as opened:
        assert opened.getnames() == ["1/key.pem", "empty", "current"]
        key, link = opened.getmember("1/key.pem"), opened.getmember("current")
        assert opened.extractfile(key).read() == b"secret"
        assert (key.uid, key.gid, stat.filemode(key.mode)) == (10001, 10001, "?r--------")
        assert link.issym()
        assert link.linkname == "1"


def test_owner_and_rights_can_be_chosen():
    with tarfile.open(fileobj=archive.pack({"file": b"x"}, owner=0, mode=0o644)) as opened:
        entry = opened.getmember("file")
        assert (entry.uid, entry.mode) == (0, 0o644)
