# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot headers, and what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.errors import UserError
from ksuite.kernels.bzimage import PROTOCOL, release_of_image
from tests.unit.kernels.images import image_of

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource


def test_distros_own_image(source: KernelSource) -> None:
    assert release_of_image(source.image) == source.release


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" + bytes(0x1000), bytes(0x202) + b"Hdr"])
def test_what_is_no_image(tmp_path: Path, content: bytes) -> None:
    """As an image of another architecture is none."""
    (tmp_path / "Image").write_bytes(content)
    with pytest.raises(UserError, match="is no bzImage for x86"):
        release_of_image(tmp_path / "Image")


def test_image_without_a_release(tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(image_of("?"))
    with pytest.raises(UserError, match="does not say which release"):
        release_of_image(tmp_path / "bzImage")


@pytest.mark.parametrize(
    "image", [image_of("6.13.0", flags=0x3E), image_of("3.2.0", protocol=PROTOCOL - 1)]
)
def test_image_for_32_bits(tmp_path: Path, image: bytes) -> None:
    (tmp_path / "bzImage").write_bytes(image)
    with pytest.raises(UserError, match="bzImage is for 32-bit x86: a DUT is x86-64"):
        release_of_image(tmp_path / "bzImage")
