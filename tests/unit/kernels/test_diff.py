# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files a diff touches, and which diffs are refused."""

from __future__ import annotations

import pytest

from ksuite.errors import ExitCode, UserError
from ksuite.kernels.diff import touched_files

HUNK = "@@ -1 +1 @@\n-old\n+new\n"


@pytest.mark.parametrize(
    ("text", "files"),
    [
        pytest.param(f"--- a/f.c\n+++ b/f.c\n{HUNK}", ["f.c"], id="plain"),
        pytest.param(
            f"--- linux.orig/d/f.c\t2020-01-01 00:00:00\n+++ linux/d/f.c\t2021-01-01\n{HUNK}",
            ["d/f.c"],
            id="timestamps",
        ),
        pytest.param(f"--- a/f.c\n+++ b/f.c.new\n{HUNK}", ["f.c"], id="a suffix on the new side"),
        pytest.param(f"--- a/f.c.orig\n+++ b/f.c\n{HUNK}", ["f.c"], id="a suffix on the old side"),
        pytest.param("--- /dev/null\n+++ b/n.c\n@@ -0,0 +1 @@\n+new\n", ["n.c"], id="created"),
        pytest.param("--- a/o.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n", ["o.c"], id="deleted"),
        pytest.param(
            f"diff --git a/f.c b/f.c\nindex 0ff3bbb..d1810ac 100644\n--- a/f.c\n+++ b/f.c\n{HUNK}",
            ["f.c"],
            id="git",
        ),
        pytest.param(
            "diff --git a/o.c b/n.c\nsimilarity index 100%\nrename from o.c\nrename to n.c\n",
            ["o.c", "n.c"],
            id="renamed",
        ),
        pytest.param(
            "diff --git a/o.c b/n.c\nsimilarity index 90%\ncopy from o.c\ncopy to n.c\n"
            f"--- a/o.c\n+++ b/n.c\n{HUNK}",
            ["o.c", "n.c"],
            id="copied",
        ),
        pytest.param(
            "diff --git a/f.c b/f.c\nold mode 100644\nnew mode 100755\n", ["f.c"], id="mode only"
        ),
        pytest.param(
            "diff --git a/e.h b/e.h\nnew file mode 100644\nindex 000000000000..e69de29bb2d1\n",
            ["e.h"],
            id="empty file",
        ),
        pytest.param(
            'diff --git "a/d\\303\\266/f.c" "b/d\\303\\266/f.c"\n'
            f'--- "a/d\\303\\266/f.c"\n+++ "b/d\\303\\266/f.c"\n{HUNK}',
            ["dö/f.c"],
            id="quoted",
        ),
        pytest.param(
            "--- a/f.sql\n+++ b/f.sql\n@@ -1,2 +1,2 @@\n--- a/x/y\n-x\n+++ b/x/y\n+x\n",
            ["f.sql"],
            id="lines that look like headers",
        ),
        pytest.param(
            f"message\n--- a/f.c\n+++ b/f.c\n{HUNK}\\ No newline at end of file\n"
            f"--- a/g.c\n+++ b/g.c\n{HUNK}-- \n2.39.5\n",
            ["f.c", "g.c"],
            id="two files, no newline, a signature",
        ),
    ],
)
def test_files_are_read_from_headers(text: str, files: list[str]) -> None:
    assert touched_files(text.encode(), "p") == tuple(files)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("hello\n", "no patch: there is no diff in it", id="prose"),
        pytest.param(f"--- a/../f\n+++ b/../f\n{HUNK}", "outside the tree", id="dotdot"),
        pytest.param(f"--- a/d/../../f\n+++ b/f\n{HUNK}", "no plain file|outside", id="one side"),
        pytest.param(
            f"--- /etc/passwd\n+++ /etc/passwd\n{HUNK}", "outside the tree", id="absolute"
        ),
        pytest.param(f"--- a//etc/p\n+++ b//etc/p\n{HUNK}", "outside the tree", id="two slashes"),
        pytest.param(f"--- a/.git/c\n+++ b/.git/c\n{HUNK}", "outside the tree", id="git"),
        pytest.param(f"--- a/d/.GIT/c\n+++ b/d/.GIT/c\n{HUNK}", "outside the tree", id="GIT"),
        pytest.param(f"--- a/d/./c\n+++ b/d/./c\n{HUNK}", "no plain file name", id="dot"),
        pytest.param(f"--- f.c\n+++ f.c\n{HUNK}", "-p1 is needed", id="p0"),
        pytest.param(
            'diff --git "a/x\\n" "b/x\\n"\nold mode 100644\nnew mode 100755\n',
            "no plain file name",
            id="newline in a name",
        ),
        pytest.param(
            'diff --git "a/\\377" "b/\\377"\nnew file mode 100644\n', "not UTF-8", id="not UTF-8"
        ),
        pytest.param(
            "diff --git a/o b/../n\nsimilarity index 100%\nrename from o\nrename to ../n\n",
            "outside the tree",
            id="rename",
        ),
        pytest.param(
            "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n"
            "@@ -0,0 +1 @@\n+/etc\n",
            "symbolic link",
            id="new symlink",
        ),
        pytest.param(
            f"diff --git a/l b/l\nindex 01ab..02ab 120000\n--- a/l\n+++ b/l\n{HUNK}",
            "symbolic link",
            id="changed symlink",
        ),
        pytest.param(
            f"diff --git a/m b/m\nindex 01ab..02ab 160000\n--- a/m\n+++ b/m\n{HUNK}",
            "submodule",
            id="submodule",
        ),
        pytest.param(
            "diff --git a/b b/b\nindex 01ab..02ab 100644\nGIT binary patch\nliteral 1\n",
            "binary",
            id="git binary",
        ),
        pytest.param(
            "diff --git a/b b/b\nindex 01..02 100644\nBinary files a/b and b/b differ\n",
            "binary",
            id="binary",
        ),
        pytest.param(
            "--- a/f.c\n+++ b/f.c\n@@ -1,3 +1,3 @@\n 1\n-2\n+two\n", "cut short", id="in a hunk"
        ),
        pytest.param("--- a/f.c\n+++ b/f.c\n", "no hunk", id="before a hunk"),
        pytest.param(
            "--- a/f.c\n+++ b/f.c\n@@ -1,3 +1,3 @@\n 1\nbroken\n-2\n+two\n 3\n",
            "damaged: the hunk of line 3",
            id="wrapped line",
        ),
        pytest.param("diff --git a/f.c b/g.c\nold mode 100644\n", "names no file", id="no name"),
    ],
)
def test_what_cant_be_judged_is_refused(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        touched_files(text.encode(), "name.patch")
    assert str(caught.value).startswith("name.patch")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE
