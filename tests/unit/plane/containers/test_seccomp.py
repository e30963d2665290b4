from __future__ import annotations

from typing import Any

import pytest

from hiyoko.plane.containers.seccomp import ALLOWED, seccomp_profile

NEVER = (
    "acct", "add_key", "bpf", "clock_settime", "delete_module", "fanotify_init", "finit_module",
    "fsconfig", "fsmount", "fsopen", "init_module", "io_uring_enter", "io_uring_setup", "ioperm",
    "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "mount", "mount_setattr",
    "move_mount", "open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd", "pivot_root",
    "quotactl", "reboot", "request_key", "setdomainname", "sethostname", "setns", "settimeofday",
    "swapoff", "swapon", "syslog", "umount2", "unshare", "userfaultfd", "vhangup",
)  # fmt: skip


def rules(profile: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [rule for rule in profile["syscalls"] if name in rule["names"]]


@pytest.mark.parametrize("name", NEVER)
def test_what_reaches_beyond_a_container_is_not_allowed(name: str) -> None:
    profile = seccomp_profile()
    assert rules(profile, name) == []
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)


def test_clone_makes_no_namespace() -> None:
    (clone,) = rules(seccomp_profile(), "clone")
    (argument,) = clone["args"]
    assert (argument["op"], argument["index"], argument["valueTwo"]) == ("SCMP_CMP_MASKED_EQ", 0, 0)
    # cgroup, uts, ipc, user, pid, net, mount (linux/sched.h).
    new = 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x20000
    assert argument["value"] == new
    assert "clone" not in ALLOWED


def test_an_added_capability_brings_its_calls() -> None:
    assert rules(seccomp_profile(("SYS_PTRACE",)), "pidfd_getfd")
    assert not rules(seccomp_profile(("SYS_NICE",)), "pidfd_getfd")
