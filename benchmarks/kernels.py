# SPDX-License-Identifier: GPL-2.0-or-later
"""Times of whole kernels, ours beside virtme-ng's, in one run: ``python benchmarks/kernels.py``.

The source is the distro's, in a git repository made for it; store and ccache begin empty.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.kernels.fragments import read_configuration
from ksuite.kernels.full import build_kernel, read_built
from ksuite.kernels.series import read_series
from ksuite.kernels.source import KernelSource, distro_source, unpack
from ksuite.kernels.store import Store, run_directory
from ksuite.kernels.trees import Tree, checked_out
from ksuite.machines.emulator import emulator
from ksuite.machines.image import kernel_image, root_image
from ksuite.machines.image_machine import ImageMachine
from ksuite.machines.initrd import initrd
from ksuite.machines.machine import MachineSpec
from ksuite.machines.qemu import DutFiles
from ksuite.machines.recipe import read_recipe
from ksuite.machines.virtme import vng

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksuite.kernels.series import Patch

CHECKOUT = Path(__file__).parent.parent
BUILT_IN = CHECKOUT / "tests" / "full" / "slower-1-percent.patch"
NEXT_REVISION = (
    "net/core/dev.c",
    "net/core/skbuff.c",
    "drivers/net/tun.c",
    "include/net/sch_generic.h",
)
"""What one commit to a datapath may touch: a header of it has many readers."""
GIT = ("git", "-c", "user.name=ksuite", "-c", "user.email=ksuite@example.org", "-c", "gc.auto=0")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the body took."""
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.1f} s", flush=True)


def repository(tree: Path, place: Path) -> Path:
    """Return a repository that has a tree as its first revision, and a change of it as `next`."""

    def git(*words: str) -> None:
        subprocess.run([*GIT, *words], cwd=place, check=True, stdout=subprocess.DEVNULL)

    shutil.copytree(tree, place, symlinks=True)
    git("init", "-b", "first")
    git("add", "--all", "--force")
    git("commit", "-m", "first")
    git("switch", "-c", "next")
    for name in NEXT_REVISION:
        with (place / name).open("a", encoding="utf-8") as file:
            file.write("\n/* The next revision. */\n")
    git("commit", "-a", "-m", "next")
    git("switch", "first")
    return place


def build(store: Store, tree: Tree, patches: Sequence[Patch] = ()) -> KernelSource:
    """Return a kernel in the usual configuration."""
    return read_built(build_kernel(tree, read_configuration(), patches, store), "ours", tree)


def ours(tree: Path, store: Store) -> None:
    """Print the times of our builds, and of a cold boot."""
    for revision, called in (("first", "from cold"), ("next", "the next revision")):
        with ExitStack() as held:
            with timed(f"our checkout, {called}"):
                found = held.enter_context(checked_out(tree, revision, store, lambda _: None))
            with timed(f"our build, {called}"):
                kernel = build(store, found)
            if revision == "first":
                with timed("our build, one built-in .c changed by a series"):
                    build(store, found, read_series(str(BUILT_IN)).patches)
                boot(kernel)


STAGES = {
    "firmware, decompression, first initcalls": "Linux version",
    "initcalls": "Run /init as init process",
}
"""What takes time in a boot, and what is on the console at its end; the agent's start is the rest.

The console begins to print when its driver is there, and then all that was said before.
"""


def boot(kernel: KernelSource) -> None:
    """Print how long a guest takes from QEMU's start to the agent's answer, and with what."""
    store, recipe, spec = Store.default(), read_recipe(), MachineSpec()
    root, files = root_image(recipe, store, print), kernel_image(kernel, recipe, store, print)
    busybox = root.path.with_name("busybox").read_bytes()
    top = kernel.modules.parent.parent.parent
    with run_directory() as place:
        (place / "initrd").write_bytes(initrd(busybox, top, kernel.release, recipe))
        qemu = emulator(spec, store).path
        made = DutFiles(kernel.image, place / "initrd", root.path, files.path, qemu)
        started = time.monotonic()
        with timed("our cold boot"), ImageMachine(made, spec, place) as machine:
            watch = threading.Thread(target=_tell_stages, args=(machine, started))
            watch.start()
            machine.wait_ready()
            watch.join()


def _tell_stages(machine: ImageMachine, started: float) -> None:
    """Print when each stage of a boot was over."""
    for what, said in STAGES.items():
        while said not in machine.console and not machine.release:
            time.sleep(0.01)
        print(f"  {what}, until {time.monotonic() - started:.1f} s", flush=True)


def virtme(tree: Path) -> None:
    """Print the times of virtme-ng's build and boot, with their defaults."""
    run = partial(subprocess.run, cwd=tree, check=True, stdin=subprocess.DEVNULL)
    # vng truncates the file that it finds as its stderr.
    run = partial(run, stderr=subprocess.STDOUT)
    with (tree.parent / "vng.log").open("w") as log:
        with timed("vng --build"):
            run([vng(), "--build"], stdout=log)
        with timed("vng's boot of it"):
            image = "arch/x86/boot/bzImage"
            run([vng(), "--run", image, "--disable-kvm", "--exec", "true"], stdout=log)


def main() -> None:
    """Build and boot all, or one side only."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("ours", "virtme"), nargs="?")
    side = parser.parse_args().side
    source = unpack(distro_source(), Store.default()).path
    with tempfile.TemporaryDirectory(dir=Store.default().root) as place:
        Path(place).chmod(0o755)
        tree = repository(source, Path(place) / "linux")
        if side != "virtme":
            ours(tree, Store(Path(place) / "store"))
        if side != "ours":
            virtme(tree)


if __name__ == "__main__":
    main()
