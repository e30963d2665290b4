"""The system calls that a container may make; every other answers EPERM.

The profile is Docker's default one for its default capabilities
(https://docs.docker.com/engine/security/seccomp/): a list of what is allowed, so that a call that
a later kernel brings is not. The runtime lets a call that is newer than every one of these answer
ENOSYS, as an older kernel would, so that programs fall back.
"""

from __future__ import annotations

from typing import Any

_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
_NEW_NAMESPACES = 0x7E020000
"""Every CLONE_NEW flag that clone(2) takes: a user namespace would give all capabilities anew."""
_FAMILIES = 38
"""Address families from AF_ALG on: the kernel's ciphers, NFC, hypervisors (AF_VSOCK), AF_XDP. Their
code is seldom run and has often been the way out."""

_FILES = """
access chdir chmod chown chown32 chroot close close_range copy_file_range creat dup dup2 dup3
faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat
fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr
fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd
getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl
lchown lchown32 lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat
lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe pipe2
pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readdir readlink readlinkat readv
removexattr rename renameat renameat2 rmdir sendfile sendfile64 setxattr splice stat stat64 statfs
statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink
unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev _llseek
"""
_WAITING = """
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 io_cancel io_destroy io_getevents io_pgetevents
io_pgetevents_time64 io_setup io_submit poll ppoll ppoll_time64 pselect6 pselect6_time64 select
signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 _newselect
"""
_SOCKETS = """
accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketpair
"""
_MEMORY = """
brk cachestat get_thread_area madvise map_shadow_stack membarrier memfd_create memfd_secret mincore
mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect mremap mseal msync munlock munlockall munmap
pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages set_thread_area shmat shmctl
shmdt shmget
"""
_PROCESSES = """
arch_prctl capget capset execve execveat exit exit_group fork getcpu getegid getegid32 geteuid
geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority
getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid getuid32
ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self pause
pidfd_open pidfd_send_signal prctl prlimit64 process_vm_readv process_vm_writev ptrace
restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp set_robust_list get_robust_list set_tid_address setfsgid
setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setpgid setpriority setregid
setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setuid
setuid32 sigaction sigaltstack signal sigpending sigprocmask sigreturn sigsuspend tgkill tkill
ugetrlimit vfork wait4 waitid waitpid
"""
_REST = """
adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
clock_gettime64 clock_nanosleep clock_nanosleep_time64 futex futex_requeue futex_time64 futex_wait
futex_waitv futex_wake getitimer getrandom gettimeofday ipc mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget
msgrcv msgsnd nanosleep semctl semget semop semtimedop semtimedop_time64 setitimer sysinfo time
timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
timer_settime64 times uname
"""
ALLOWED = tuple(sorted(f"{_FILES}{_WAITING}{_SOCKETS}{_MEMORY}{_PROCESSES}{_REST}".split()))

_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux as it is, with 32-bit addresses, as an older version (UNAME26), both; and the question."""

_MORE = {"SYS_PTRACE": ("kcmp", "pidfd_getfd", "process_madvise")}
"""What an added capability allows beside."""


def seccomp_profile(added: tuple[str, ...] = ()) -> dict[str, Any]:
    """The profile for ``linux.seccomp`` of the runtime specification.

    ``added`` are capabilities beyond the default ones.
    """
    more = [call for name in added for call in _MORE.get(name, ())]
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [
            {"names": [*ALLOWED, *more], "action": "SCMP_ACT_ALLOW"},
            _when("clone", "SCMP_CMP_MASKED_EQ", _NEW_NAMESPACES, 0),
            # Its flags are in memory, where no filter sees them; C libraries fall back to clone.
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
            # Its arguments are in memory, too: by it a 32-bit program had every family. Refused
            # before socket is allowed, or libseccomp would allow it along with that; and not by
            # the default's errno, or the runtime would leave the rule out. Since Linux 4.3 there
            # is a call for each of its uses.
            {"names": ["socketcall"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
            *(_when("personality", "SCMP_CMP_EQ", each) for each in _PERSONALITIES),
            _when("socket", "SCMP_CMP_LT", _FAMILIES),
            _when("socket", "SCMP_CMP_GE", _FAMILIES)
            | {
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": _EAFNOSUPPORT,
            },
        ],
    }


def _when(name: str, compare: str, value: int, second: int = 0) -> dict[str, Any]:
    """A call that is allowed when its first argument compares so."""
    condition = {"index": 0, "value": value, "valueTwo": second, "op": compare}
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [condition]}
