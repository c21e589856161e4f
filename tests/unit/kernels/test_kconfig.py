# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a kernel has not got an option that it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.errors import UserError
from ksuite.kernels import fragments
from ksuite.kernels.fragments import DEBUG, FRAGMENTS, USUAL, read_configuration
from ksuite.kernels.kconfig import Kconfig, added_symbols, values
from ksuite.kernels.series import Patch

if TYPE_CHECKING:
    from pathlib import Path

TOP = """\
source "net/Kconfig"
config MODULES
\tbool "Modules"
config HIDDEN
\ttristate
config TUNNEL
\ttristate "a tunnel" if EXPERT
\tdepends on !CHEAP || (MODULES && NUMBER != 3)
\tselect HIDDEN
\thelp
\t  config NOT_ONE
\t  This text is not read.

\t  depends on NOTHING

config OUTSIDE
\tbool "outside"
"""
NET = """\
menu "Networking"
\tdepends on NET
if INET && m
config FLOWER
\ttristate "flower"
\tdepends on SCHED \\
\t\t&& ACTIONS
endif
source "$(SRCARCH)/Kconfig"
endmenu
choice
\tprompt "timer"
\tdepends on TIMERS
config HZ_250
\tbool "250"
endchoice
config NUMBER
\tint "a number"
config NAME
\tstring "a name"
"""


@pytest.fixture
def kconfig(tmp_path: Path) -> Kconfig:
    for name, text in (("Kconfig", TOP), ("net/Kconfig", NET), ("x86/Kconfig", "config LATER\n")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return Kconfig(tmp_path)


def test_symbols(kconfig: Kconfig) -> None:
    assert kconfig.names == {
        *("MODULES", "HIDDEN", "TUNNEL", "OUTSIDE", "FLOWER", "LATER", "HZ_250"),
        *("NUMBER", "NAME"),
    }


@pytest.mark.parametrize(
    ("name", "wanted", "have", "why"),
    [
        ("FLOWER", "m", {}, "it depends on NET and INET and SCHED and ACTIONS (net/Kconfig:4)"),
        ("FLOWER", "m", dict.fromkeys(("NET", "INET", "SCHED"), "y"), "it depends on ACTIONS "),
        ("FLOWER", "y", dict.fromkeys(("NET", "INET", "SCHED", "ACTIONS"), "y"), "depends on m "),
        ("FLOWER", "m", dict.fromkeys(("NET", "INET", "SCHED", "ACTIONS"), "m"), "another fragm"),
        ("TUNNEL", "m", {"CHEAP": "y"}, "it depends on !CHEAP || (MODULES && NUMBER != 3)"),
        ("TUNNEL", "m", {"CHEAP": "y", "MODULES": "y", "NUMBER": "3"}, "it depends on !CHEAP"),
        ("TUNNEL", "m", {"CHEAP": "y", "MODULES": "y", "NUMBER": "4"}, "another fragment"),
        ("HIDDEN", "y", {}, "nobody can choose it; it comes with TUNNEL"),
        ("HIDDEN", "n", {"TUNNEL": "m"}, "selected by TUNNEL"),
        ("OUTSIDE", "n", {}, "it can't be turned off"),
        ("HZ_250", "y", {}, "it depends on TIMERS"),
        ("OUTSIDE", "y", {}, "another fragment or a choice"),
    ],
)
def test_why(kconfig: Kconfig, name: str, wanted: str, have: dict[str, str], why: str) -> None:
    assert name in kconfig.names
    assert why in kconfig.why(name, wanted, have)


def test_values(tmp_path: Path) -> None:
    config = tmp_path / ".config"
    config.write_text('# CONFIG_OFF is not set\nCONFIG_A=y\nCONFIG_B="a b"\nCONFIG_C=0x10\n')
    assert values(config) == {"A": "y", "B": '"a b"', "C": "0x10"}


@pytest.fixture
def fragment(tmp_path: Path) -> Path:
    return tmp_path / "own.config"


@pytest.mark.parametrize(
    ("text", "have", "said"),
    [
        ("CONFIG_MODULES=y\n", "CONFIG_MODULES=y\n", ""),
        ("# CONFIG_MODULES is not set\n", "", ""),
        ("CONFIG_MODULES=n\n", "CONFIG_MODULES=y\n", "own.config:1: CONFIG_MODULES=n became y"),
        ("CONFIG_FLOWER=m\n", "", "CONFIG_FLOWER=m became n: it depends on NET and"),
        ("CONFIG_FLOWR=m\n", "", "has no such option; did you mean CONFIG_FLOWER?"),
        ("CONFIG_XYZZY=m\n", "", "CONFIG_XYZZY=m: this kernel has no such option"),
        ("CONFIG_OLD=y  # <6.0\n", "", ""),
        ("CONFIG_NEW=y  # >=6.0, abc (it came then)\n", "", "own.config:1: CONFIG_NEW=y"),
        ("CONFIG_HZ_250=y\n# CONFIG_HZ_250 is not set\n", "", ""),
        ("CONFIG_NEW=y  # >=5.10,<6.0, reason\n", "", ""),
        ("CONFIG_NEW=y  # >=5.10, <6.0, reason, >=7\n", "", ""),
        ("CONFIG_NEW=y  # >=5.10 <6.0 reason\n", "", ""),
        ("CONFIG_NEW=y  # >=5.10,<6.2\n", "", "own.config:1: CONFIG_NEW=y"),
        # The names that it has in other kernels.
        ("CONFIG_NEW=y  # or CONFIG_MODULES\n", "CONFIG_MODULES=y\n", ""),
        ("CONFIG_NEW=y  # or CONFIG_MODULES, abc\n", "", "1: CONFIG_MODULES=y became n"),
        ("CONFIG_MODULES=y  # or CONFIG_OUTSIDE\n", "CONFIG_MODULES=y\n", ""),
        ("CONFIG_NEW=y  # or CONFIG_NEWER or CONFIG_MODULES\n", "CONFIG_MODULES=y\n", ""),
        (
            "CONFIG_NEW=y  # or CONFIG_NEWER\n",
            "",
            "CONFIG_NEW=y: this kernel has no such option, nor",
        ),
        ("CONFIG_NEW=y  # or CONFIG_NEWER, where known: it came later\n", "", ""),
        ("CONFIG_MODULES=y  # where known\n", "", "CONFIG_MODULES=y became n"),
        ("CONFIG_NEW=y  # <6.0, or CONFIG_NEWER\n", "", ""),
        ("CONFIG_NEW=y  # the reason, where known\n", "", "CONFIG_NEW=y: this kernel has no"),
        ("CONFIG_OLD=y # or CONFIG_MODULES\nCONFIG_MODULES=n\n", "", ""),
        # What can't be a value.
        ("CONFIG_TUNNEL=M\n", "", "CONFIG_TUNNEL=M became n: it takes y, m or n (Kconfig:6)"),
        ("CONFIG_OUTSIDE=m\n", "", "CONFIG_OUTSIDE=m became n: it takes y or n"),
        ("CONFIG_NUMBER=abc\n", "CONFIG_NUMBER=3\n", "became 3: it takes a number (net/"),
        ("CONFIG_NAME=abc\n", 'CONFIG_NAME="x"\n', "it takes a text in double quotes"),
    ],
)
def test_configuration_is_checked(
    kconfig: Kconfig, fragment: Path, tmp_path: Path, text: str, have: str, said: str
) -> None:
    fragment.write_text(text)
    config = tmp_path / ".config"
    config.write_text(have)
    configuration = read_configuration([str(fragment)])
    if not said:
        configuration.check(config, kconfig, "6.1.2")
        return
    with pytest.raises(UserError) as caught:
        configuration.check(config, kconfig, "6.1.2")
    assert said in str(caught.value)


def test_want_of_modules_is_told_once(kconfig: Kconfig, fragment: Path, tmp_path: Path) -> None:
    config = tmp_path / ".config"
    config.write_text("CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=y\nCONFIG_E=y\n")
    asked = [f"CONFIG_{name}=m\n" for name in "ABCDE"]
    fragment.write_text("".join([*asked, "CONFIG_MODULES=n\n"]))
    with pytest.raises(UserError) as caught:
        read_configuration([str(fragment)]).check(config, kconfig, "6.1")
    _, *lines = str(caught.value).splitlines()
    some = "CONFIG_A=m, CONFIG_B=m, CONFIG_C=m, nor 2 others"
    assert lines == [f"  own.config:6: CONFIG_MODULES=n: without modules there can't be {some}"]


ADDING = """\
diff --git a/net/Kconfig b/net/Kconfig
--- a/net/Kconfig
+++ b/net/Kconfig
@@ -1,2 +1,4 @@
+config SPEEDY
+\tbool "faster"
 menu "Networking"
"""


def test_symbols_that_a_series_adds() -> None:
    text = ADDING.encode()
    assert added_symbols([Patch("p", "p", text, ("net/Kconfig",))]) == {"SPEEDY"}
    assert added_symbols([Patch("p", "p", text, ("net/notes.txt",))]) == set()


def test_only_the_kernel_with_the_series_must_have_what_it_adds(
    kconfig: Kconfig, fragment: Path, tmp_path: Path
) -> None:
    """Base and candidate are asked for the same."""
    config = tmp_path / ".config"
    config.write_text("")
    fragment.write_text("CONFIG_SPEEDY=y\n")
    strict = read_configuration([str(fragment)])
    lenient = strict.for_series({"SPEEDY", "UNASKED"})
    lenient.check(config, kconfig, "6.1")
    with pytest.raises(UserError, match="no such option"):
        strict.check(config, kconfig, "6.1")
    # What a lenient one has made is not taken for a strict one's.
    assert lenient.fragment("6.1") != strict.fragment("6.1")
    assert strict.for_series({"UNASKED"}) == strict
    patched = Kconfig(tmp_path, {"net/Kconfig": NET.encode() + b"config SPEEDY\n\tbool 'faster'\n"})
    with pytest.raises(UserError, match="CONFIG_SPEEDY=y became n"):
        lenient.check(config, patched, "6.1")
    not_read = Kconfig(tmp_path, {"new/Kconfig": b"config SPEEDY\n\tbool 'faster'\n"})
    with pytest.raises(UserError, match="no such option"):
        lenient.check(config, not_read, "6.1")
    assert "FLOWER" not in Kconfig(tmp_path, {"net/Kconfig": None}).names


def test_what_somebody_elses_configuration_lacks(fragment: Path, tmp_path: Path) -> None:
    fragment.write_text('CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=n\nCONFIG_D=m # <6.0\nCONFIG_E="x"\n')
    config = tmp_path / ".config"
    config.write_text("CONFIG_A=m\n# CONFIG_B is not set\n")
    assert read_configuration([str(fragment)]).lacking(config, "6.1") == ["B"]
    assert read_configuration([str(fragment)]).lacking(config, "5.10") == ["B", "D"]
    fragment.write_text(
        "CONFIG_F=y # or CONFIG_A\nCONFIG_G=y # where known\nCONFIG_H=y # or CONFIG_I\n"
    )
    assert read_configuration([str(fragment)]).lacking(config, "6.1") == ["H"]


def test_fragment_of_a_version(fragment: Path) -> None:
    fragment.write_text('CONFIG_B=y  # <6.0\nCONFIG_A="x"\nCONFIG_C=m  # >=6.0, abc\n')
    configuration = read_configuration([str(fragment)])
    assert configuration.fragment("5.10.262") == 'CONFIG_A="x"\nCONFIG_B=y\n'
    assert configuration.fragment("7.2.12") == 'CONFIG_A="x"\nCONFIG_C=m\n'
    fragment.write_text("CONFIG_B=y  # or CONFIG_A\n")
    assert read_configuration([str(fragment)]).fragment("6.1") == "CONFIG_A=y\nCONFIG_B=y\n"


@pytest.mark.parametrize(
    "line", ["CONFIG A=y", "VHOST=m", "CONFIG_A", "CONFIG_A=y # <six", "CONFIG_A=y # >=5,<six"]
)
def test_line_that_makes_no_sense(fragment: Path, line: str) -> None:
    fragment.write_text(f"# a comment\n\n{line}\n")
    with pytest.raises(UserError, match=r"own\.config:3: "):
        read_configuration([str(fragment)])


def test_fragment_that_is_not_there(fragment: Path) -> None:
    with pytest.raises(UserError, match=r"can't be read.*there are base, debug, ovs, tc, vhost"):
        read_configuration([str(fragment)])


def test_ours_can_be_read() -> None:
    names = {path.stem for path in FRAGMENTS.glob("*.config")}
    assert names == {*USUAL, DEBUG}
    for version in ("5.10.1", "6.1.1", "6.12.1", "7.2.1"):
        text = read_configuration((*USUAL, DEBUG)).fragment(version)
        assert "CONFIG_OPENVSWITCH=m\n" in text
        assert "CONFIG_KASAN=y\n" in text
    assert fragments.USUAL[0] == "base"
