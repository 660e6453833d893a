"""Tars that are read to their end, or not at all."""

import tarfile


class StrictTarInfo(tarfile.TarInfo):
    """tarfile takes a broken header for the end; half an archive must not pass for a whole one."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "StrictTarInfo":
        try:
            return super().fromtarfile(archive)
        except tarfile.TruncatedHeaderError:  # type: ignore[attr-defined]
            raise EOFError from None
        except tarfile.InvalidHeaderError:  # type: ignore[attr-defined]
            raise tarfile.ReadError("archive/tar: invalid tar header") from None
