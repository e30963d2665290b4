"""Observe the kernel's network, apply one step to it. Remembers nothing."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass

from hiyoko.blueprint.network import Network
from hiyoko.plane import user_namespaces
from hiyoko.plane.error import PlaneError
from hiyoko.plane.namespaces import in_namespace
from hiyoko.plane.network.audit import audit
from hiyoko.plane.network.congestion import choose_congestion_control
from hiyoko.plane.network.lane import FORGET, without_lane
from hiyoko.plane.network.lane_hooks import forget_notes, hook, prepare
from hiyoko.plane.network.names import GATEWAY_LINK, internet_link
from hiyoko.plane.network.nat import SYSCTLS
from hiyoko.plane.network.observed import (
    Observed,
    ObservedRouter,
    observe_internet,
    observe_router,
)
from hiyoko.plane.network.steps import (
    AttachGateway,
    AttachInterfaces,
    ChangeRules,
    DetachGateway,
    DetachInterfaces,
    DropRoutes,
    NetworkStep,
    OpenLane,
    PublishAddresses,
    PutRouter,
    PutRoutes,
    RemoveNamespaces,
    WithdrawAddresses,
)
from hiyoko.plane.network.wiring import (
    ROUTER_SYSCTLS,
    Wire,
    gateway_inside_lines,
    gateway_lines,
    public_route,
)
from hiyoko.plane.process import NETNS_DIR, run

log = logging.getLogger(__name__)

PARALLEL = 8
"""How many interfaces are completed at once: each is one short process."""

_FORGET = """\
[ "$(cat /proc/sys/net/netfilter/nf_conntrack_count)" != 0 ] || exit 0
for address in "$@"; do
    conntrack -D -s "$address" >/dev/null 2>&1
    conntrack -D -r "$address" >/dev/null 2>&1
done
exit 0
"""
"""Forget the connections of addresses: from them, and (the answers' source) to them."""

DOOMED = 4566
"""Device group of links that are being deleted."""


@dataclass(frozen=True, slots=True)
class NetworkPlane:
    """The network of this world. ``users``: tasks' namespaces lie in user namespaces.

    Without ``programs`` its fast lane is nftables', as in an ordinary user's world.
    """

    users: bool = False
    programs: bool = True

    async def observe(self) -> Observed:
        """What the kernel holds now."""
        names = namespaces()
        vpc_ids = sorted(name for name in names if name.startswith("vpc-"))
        return await asyncio.to_thread(_observe, names, vpc_ids)

    async def audit(self, network: Network, observed: Observed) -> Observed:
        """Read everything: what was observed, without what is not what it claims to be."""
        return await audit(network, observed)

    async def apply(self, step: NetworkStep) -> None:
        """Take one step; taking it twice does no harm. Raises PlaneError."""
        match step:
            case PutRouter():
                await _put_router(step)
            case ChangeRules():
                await _change_rules(step, programs=self.programs)
            case AttachInterfaces():
                await _attach_interfaces(step, self.users)
            case OpenLane():
                await _open_lane(step)
            case AttachGateway(vpc_id):
                await _attach_gateway(vpc_id)
            case PutRoutes():
                await _put_routes(step)
            case PublishAddresses(vpc_id, addresses):
                await _batch(
                    None,
                    "".join(f"route replace {public_route(each, vpc_id)}\n" for each in addresses),
                )
            case _:
                await _apply_drop(step)


def _observe(names: frozenset[str], vpc_ids: list[str]) -> Observed:
    internet_links, public = observe_internet()
    return Observed(
        namespaces=names,
        routers={vpc_id: in_namespace(NETNS_DIR / vpc_id, observe_router) for vpc_id in vpc_ids},
        internet_links=internet_links,
        public=public,
    )


def namespaces() -> frozenset[str]:
    """The named namespaces that are ours, by the prefix of AWS's ids.

    A name is a file on which the namespace is mounted. One without a mount, left by whoever was
    killed between the two, is no namespace.
    """
    try:
        plain = NETNS_DIR.stat().st_dev
        entries = list(os.scandir(NETNS_DIR))
    except FileNotFoundError:
        return frozenset()
    return frozenset(
        entry.name
        for entry in entries
        if entry.name.startswith(("vpc-", "eni-", "vpce-")) and os.stat(entry.path).st_dev != plain  # noqa: PTH116 - of hundreds: a Path costs more
    )


async def _add_namespaces(names: list[str]) -> None:
    for name in names:
        (NETNS_DIR / name).unlink(missing_ok=True)
    await _batch(None, "".join(f"netns add {name}\n" for name in names))


async def _batch(netns: str | None, lines: str) -> None:
    """Run ip(8) lines in a namespace: all of them, then raise if one was refused."""
    where = () if netns is None else ("-n", netns)
    await run("ip", *where, "-force", "-batch", "-", stdin=lines, timeout_s=120)


async def _apply_drop(
    step: WithdrawAddresses | DropRoutes | DetachInterfaces | DetachGateway | RemoveNamespaces,
) -> None:
    match step:
        case WithdrawAddresses(addresses):
            await _batch(None, "".join(f"route delete {each}/32\n" for each in addresses))
        case DropRoutes():
            await _drop_routes(step)
        case DetachInterfaces(vpc_id, links):
            await _delete_links(vpc_id, links)
        case DetachGateway(link):
            await _batch(None, f"link delete {link}\n")
        case RemoveNamespaces(names):
            await _batch(None, "".join(f"netns delete {name}\n" for name in names))
            user_namespaces.drop(names)


async def _delete_links(netns: str, links: tuple[str, ...]) -> None:
    """Delete links as one group: the kernel waits once for all of them, not 20 ms for each.

    The kernel removes the links of a deleted namespace in its own time: one that went while we
    looked is no refusal.
    """
    if not links:
        return
    lines = "".join(f"link set {link} group {DOOMED}\n" for link in links)
    try:
        await _batch(netns, f"{lines}link delete group {DOOMED}\n")
    except PlaneError:
        left = await run("ip", "-n", netns, "-o", "link", "show")
        if any(f" {link}@" in left for link in links):
            raise


async def _put_router(step: PutRouter) -> None:
    if step.vpc_id not in namespaces():
        await _add_namespaces([step.vpc_id])
    await run("sysctl", "-qw", *ROUTER_SYSCTLS, netns=step.vpc_id)
    lines = [f"address replace {address}/32 dev lo\n" for address in step.resolvers]
    await _batch(step.vpc_id, "link set lo up\n" + "".join(lines))


async def _change_rules(step: ChangeRules, *, programs: bool) -> None:
    if programs and await prepare(step.vpc_id):
        texts = [without_lane(step.text), without_lane(step.whole)]
    else:
        texts = [step.text, step.whole, without_lane(step.whole)]
    loaded = await _load(step.vpc_id, list(dict.fromkeys(texts)))
    if loaded == texts[1]:
        links = await run("ip", "-n", step.vpc_id, "-br", "link", "show")
        names = (line.partition("@")[0] for line in links.splitlines())
        ours = [name for name in names if name == GATEWAY_LINK or name.startswith("e-")]
        await hook(step.vpc_id, ours)
    await _forget(step.vpc_id, step.forget)
    if (FORGET in step.text or loaded == texts[1]) and not step.forget:
        await forget_notes(step.vpc_id)


async def _load(vpc_id: str, texts: list[str]) -> str:
    """Load the change, else the whole table, else what a kernel without ``netdev`` knows of it."""
    for text in texts[:-1]:
        try:
            await run("nft", "-f", "-", stdin=text, netns=vpc_id, timeout_s=120)
        except PlaneError as refused:
            log.info("rules of %s: %s", vpc_id, refused)
        else:
            return text
    await run("nft", "-f", "-", stdin=texts[-1], netns=vpc_id, timeout_s=120)
    return texts[-1]


async def _forget(vpc_id: str, addresses: tuple[str, ...]) -> None:
    if addresses:
        await run("sh", "-c", _FORGET, "sh", *addresses, netns=vpc_id, timeout_s=120)
        await forget_notes(vpc_id)


async def _attach_interfaces(step: AttachInterfaces, users: bool) -> None:
    there = namespaces()
    missing = [wire for wire in step.wires if wire.eni_id not in there]
    await _add_namespaces([wire.eni_id for wire in missing if not (users and wire.of_task)])
    await user_namespaces.add([wire.eni_id for wire in missing if users and wire.of_task])
    await _delete_links(step.vpc_id, tuple(sorted(step.replace)))
    # A namespace that was there before may still hold the end of a pair whose router has gone.
    for wire in step.wires:
        if wire.eni_id in there:
            await _delete_orphan(wire.eni_id)
    await _batch(step.vpc_id, "".join(wire.create for wire in step.wires))
    limit = asyncio.Semaphore(PARALLEL)
    # An address is given again after its interface has gone: what its old owner's groups let
    # through must not count as established for the new one.
    await _forget(step.vpc_id, tuple(str(wire.address) for wire in step.wires))
    results = await asyncio.gather(
        *(_complete(wire, limit) for wire in step.wires), return_exceptions=True
    )
    refusals = [each for each in results if isinstance(each, BaseException)]
    complete = [wire for wire, result in zip(step.wires, results, strict=True) if result is None]
    await _batch(step.vpc_id, "".join(wire.finish for wire in complete))
    if refusals:
        raise refusals[0]


async def _delete_orphan(eni_id: str) -> None:
    await run(
        "sh", "-c", "ip link show eth0 >/dev/null 2>&1 || exit 0; ip link delete eth0", netns=eni_id
    )


async def _complete(wire: Wire, limit: asyncio.Semaphore) -> None:
    async with limit:
        await _batch(wire.eni_id, wire.inside)
        own = NETNS_DIR / wire.eni_id
        await asyncio.to_thread(in_namespace, own, choose_congestion_control)
        if wire.nat:
            # The table first: it makes the kernel track connections, whose limits are set next.
            await run("nft", "-f", "-", stdin=wire.nat, netns=wire.eni_id)
            await run("sysctl", "-eqw", *SYSCTLS, netns=wire.eni_id)


async def _open_lane(step: OpenLane) -> None:
    await hook(step.vpc_id, [wire.link for wire in step.wires])
    marks = (f'link set {wire.link} alias "{wire.alias}"\n' for wire in step.wires)
    await _batch(step.vpc_id, "".join(marks))


async def _attach_gateway(vpc_id: str) -> None:
    link = internet_link(vpc_id)
    for netns, name in ((None, link), (vpc_id, GATEWAY_LINK)):
        script = f"ip link show {name} >/dev/null 2>&1 || exit 0; ip link delete {name}"
        await run("sh", "-c", script, netns=netns)
    await _batch(None, gateway_lines(vpc_id))
    await hook(vpc_id, [GATEWAY_LINK])
    await _batch(vpc_id, gateway_inside_lines())


async def _put_routes(step: PutRoutes) -> None:
    lines = [f"route replace {route.text}\n" for route in step.routes]
    lines += [f"rule add {rule.text}\n" for rule in step.rules]
    await _batch(step.vpc_id, "".join(lines))
    await forget_notes(step.vpc_id)


async def _drop_routes(step: DropRoutes) -> None:
    lines = [f"rule delete {rule.text}\n" for rule in step.rules]
    lines += [f"route delete {route.text}\n" for route in step.routes]
    lines += [f"address delete {address}/32 dev lo\n" for address in step.resolvers]
    await _batch(step.vpc_id, "".join(lines))
    await forget_notes(step.vpc_id)


__all__ = ["NetworkPlane", "Observed", "ObservedRouter", "namespaces"]
