"""Stickiness: which target, or which group, a client comes back to.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html
"""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.blueprint.balancers import Forward, Listener, TargetGroup
from hiyoko.plane.balancer.boxes import boxed, unboxed
from hiyoko.plane.balancer.names import backend_name, open_backend
from hiyoko.plane.balancer.seals import EXPIRES, SealKey, read_pair, send_pair
from hiyoko.plane.balancer.text import argument, quoted

GROUP_COOKIE = "AWSALBTG"
SHARDS = 4
OTHERS_BYTES_MAX = 2_900
"""What is known of other groups is kept as long as the cookie stays below a browser's 4 KB."""
_STUCK = "{ var(txn.stuck_to) -m found }"
_CHROMIUM_80 = "Chrom(e|ium)/([89][0-9]|[1-9][0-9]{2})"


def sticky_lines(group: TargetGroup, secret: bytes) -> Iterator[str]:
    """The lines of a backend whose clients come back to their targets.

    A server that has gone, or takes nothing, is passed over: then the balance chooses.
    """
    if group.stickiness is None:
        return
    key = SealKey.of(secret, f"target {group.arn}")
    if group.stickiness.app_cookie is None:
        yield from _duration_based(group.stickiness.duration_s, key)
    else:
        cookie, duration_s = group.stickiness.app_cookie, group.stickiness.duration_s
        yield from _application_based(cookie, duration_s, group, key)
    salt = "var(txn.seal),field(2,-),field(1,.,2)"
    yield from unboxed(key, "var(txn.stuck_to)", salt, "txn.target", f" if {_STUCK}")
    yield "use-server %[var(txn.target)] if { var(txn.target) -m found }"


def _duration_based(duration_s: int, key: SealKey) -> Iterator[str]:
    """AWSALB, sent again with every answer of a target."""
    yield from read_pair("AWSALB")
    yield from key.opened("txn.stuck_to", duration_s)
    yield from _sealed(key)
    yield from send_pair("AWSALB")


def _sealed(key: SealKey, condition: str = "") -> Iterator[str]:
    yield f"http-response set-var(txn.now) date{condition}"
    yield from boxed(key, "txn.seal", condition)
    yield from key.signed(condition)


def _application_based(
    cookie: str, duration_s: int, group: TargetGroup, key: SealKey
) -> Iterator[str]:
    """AWSALBAPP beside the target's own cookie. It holds one seal for each group, ``GROUP.SEAL|``.

    It is made when the target sets its cookie, and renewed while the client returns both; until
    then the client is told to forget it.
    """
    mine = key.name(group.arn)
    yield "http-request set-var(txn.app) req.cook(AWSALBAPP-0),b64dec"
    own = _replaced("txn.app", f"^.*{mine}[.]([^|]*)[|].*$", "\\1")
    rest = _replaced("txn.app", f"{mine}[.][^|]*[|]", "")
    yield f"http-request set-var(txn.seal) {own}"
    yield f"http-request set-var(txn.others) {rest}"
    yield (
        f"http-request unset-var(txn.others) if {{ var(txn.others) -m len gt {OTHERS_BYTES_MAX} }}"
    )
    returned = f" if {_found('req.cook', cookie)}"
    yield from key.opened("txn.stuck_to", duration_s, returned)
    same_site = quoted(f"str({argument('; SameSite=None; Secure')})")
    yield (
        f"http-request set-var(txn.same_site) {same_site} if {{ req.hdr(origin) -m found }} "
        f"{{ req.hdr(user-agent) -m reg {quoted(_CHROMIUM_80)} }}"
    )
    sticks = f"{_found('res.cook', cookie)} or {_STUCK}"
    yield from _sealed(key, f" if {sticks}")
    yield f"http-response unset-var(txn.app) unless {sticks}"
    yield (
        f"http-response set-var(txn.app) str({mine}.),concat(,txn.seal,|),concat(,txn.others) "
        f"if {sticks}"
    )
    yield (
        "http-response set-var(txn.app) var(txn.others) "
        "if !{ var(txn.app) -m found } { var(txn.others) -m len gt 0 }"
    )
    tail = f"{EXPIRES}%[var(txn.same_site)]"
    for value, condition in (("%[var(txn.app),base64]", "if"), ("_remove_", "unless")):
        yield (
            f'http-response add-header Set-Cookie "AWSALBAPP-0={value}; {tail}" '
            f"{condition} {{ var(txn.app) -m found }}"
        )
    for shard in range(1, SHARDS):
        yield f'http-response add-header Set-Cookie "AWSALBAPP-{shard}=_remove_; {tail}"'


def _replaced(variable: str, regex: str, by: str) -> str:
    return quoted(f"var({variable}),regsub({argument(regex)},{argument(by)})")


def _found(fetch: str, cookie: str) -> str:
    return f"{{ {quoted(f'{fetch}({argument(cookie)})')} -m found }}"


def group_key(secret: bytes, balancer_arn: str) -> SealKey:
    """The key of the cookies that lead back to a target group of this balancer."""
    return SealKey.of(secret, f"group {balancer_arn}")


def group_requests(listener: Listener, key: SealKey) -> Iterator[str]:
    """For rules that are sticky: ``txn.from_group`` is the group that the client came from."""
    for duration_s, mark in _sticky_rules(listener):
        yield from read_pair(GROUP_COOKIE, mark)
        yield from key.opened("txn.from_group", duration_s, mark)


def group_choice(rule_mark: str, forward: Forward, key: SealKey) -> Iterator[str]:
    """The way back, before weights are asked. A group without weight gets nothing."""
    if forward.stickiness_s is None or len(forward.groups) == 1:
        return
    for arn, weight in forward.groups:
        if weight:
            name = backend_name(arn)
            # The client of a group that has opened comes back to the group.
            names = f"{key.name(name)} {key.name(open_backend(arn))}"
            mark = f"{{ var(txn.from_group) -m str {names} }}"
            yield f"use_backend {name} if {rule_mark} {mark}"


def group_answers(listener: Listener, key: SealKey) -> Iterator[str]:
    """AWSALBTG, sent again with every answer of a target."""
    for _, mark in _sticky_rules(listener):
        yield from key.sealed("be_name", mark)
        yield from send_pair(GROUP_COOKIE, mark)


def _sticky_rules(listener: Listener) -> Iterator[tuple[int, str]]:
    """Each duration with a condition that holds for the rules that have it."""
    numbers: dict[int, list[int]] = {}
    for number, rule in enumerate(listener.rules, 1):
        if isinstance(rule.action, Forward) and rule.action.stickiness_s is not None:
            numbers.setdefault(rule.action.stickiness_s, []).append(number)
    for duration_s, rules in numbers.items():
        yield duration_s, f" if {{ var(txn.rule) -m int {' '.join(map(str, rules))} }}"
