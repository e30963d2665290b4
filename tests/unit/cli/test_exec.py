from __future__ import annotations

import pytest

from hiyoko.cli.exec import status_of

REFUSED = 'level=error msg="exec failed: unable to start container process: exec: %s"'


@pytest.mark.parametrize(
    ("log", "status"),
    [
        ("", 255),
        ("level=warning msg=something", 255),
        (REFUSED % r"\"none\": executable file not found in $PATH", 127),
        (REFUSED % r"\"/bin/x\": stat /bin/x: no such file or directory", 127),
        (REFUSED % r"\"/etc/passwd\": permission denied", 126),
    ],
)
def test_what_was_never_run_has_a_status_of_its_own(log: str, status: int) -> None:
    assert status_of(255, log) == status
