"""Finding a pack by path or by name: the user's cache, then the packs inside the installed wheel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streamser.errors import PackError
from streamser.packs.manifest import MANIFEST_FILE, Pack, read_pack
from streamser.packs.whisper import cache_folder

INSTALLED = Path(__file__).parent


def find_pack(pack: str | Path, verify: bool = True) -> Pack:
    """Open a pack given as a folder or as a name.

    Raises:
        PackError: nothing by that name or path, or the pack itself is damaged.
    """
    folder = Path(pack)
    if folder.is_dir():
        return read_pack(folder, verify)
    for found in pack_folders():
        if found.name == str(pack):
            return read_pack(found, verify)
    known = ", ".join(sorted({found.name for found in pack_folders()})) or "none"
    raise PackError(
        f"no pack {str(pack)!r}: give a folder, or one of the installed packs ({known}); `streamser packs list` shows them"
    )


def pack_folders() -> Iterator[Path]:
    """Every folder that looks like a pack, the user's cache first."""
    for root in (cache_folder() / "packs", INSTALLED):
        if root.is_dir():
            for folder in sorted(root.iterdir()):
                if (folder / MANIFEST_FILE).is_file():
                    yield folder
