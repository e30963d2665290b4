"""Blueprint against kernel: the steps from one to the other, puts before drops. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hiyoko.blueprint.network import Interface, Network, Vpc
from hiyoko.blueprint.step import Step
from hiyoko.plane.network.names import GATEWAY_LINK, LOCAL_TABLE, interface_link, internet_link
from hiyoko.plane.network.observed import Observed, ObservedRouter
from hiyoko.plane.network.rules import Part, parts, public_of, render_changes, render_whole
from hiyoko.plane.network.wiring import KernelRoute, KernelRule, Wire, Wiring, wiring


@dataclass(frozen=True, slots=True)
class PutRouter(Step):
    """Make or complete a VPC's router namespace, with the addresses of its resolver."""

    vpc_id: str
    resolvers: tuple[str, ...]

    def __str__(self) -> str:
        return f"put router {self.vpc_id}"


@dataclass(frozen=True, slots=True)
class ChangeRules(Step):
    """Change parts of a router's nftables table in one transaction.

    ``whole`` replaces the table, also in one transaction, should the kernel refuse the change
    because it holds something else than its fingerprints say. ``forget`` are the private
    addresses of interfaces that lost a public address: its connections end with it.
    """

    vpc_id: str
    names: tuple[str, ...]
    text: str
    whole: str
    forget: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"change rules of {self.vpc_id}: {_few(self.names)}"


@dataclass(frozen=True, slots=True)
class AttachInterfaces(Step):
    """Make interfaces; those in ``replace`` have a broken link that goes first."""

    vpc_id: str
    wires: tuple[Wire, ...]
    replace: frozenset[str]

    def __str__(self) -> str:
        return f"attach to {self.vpc_id}: {_few(tuple(wire.eni_id for wire in self.wires))}"


@dataclass(frozen=True, slots=True)
class AttachGateway(Step):
    """Link a router to the internet."""

    vpc_id: str

    def __str__(self) -> str:
        return f"attach internet gateway to {self.vpc_id}"


@dataclass(frozen=True, slots=True)
class PutRoutes(Step):
    """Put routes and policy rules."""

    vpc_id: str
    routes: tuple[KernelRoute, ...]
    rules: tuple[KernelRule, ...]

    def __str__(self) -> str:
        return f"put routes of {self.vpc_id}: {_few(_texts(self.routes, self.rules))}"


@dataclass(frozen=True, slots=True)
class PublishAddresses(Step):
    """Let the internet send public addresses to a VPC."""

    vpc_id: str
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"publish for {self.vpc_id}: {_few(self.addresses)}"


@dataclass(frozen=True, slots=True)
class OpenLane(Step):
    """Let packets of interfaces take the fast lane.

    A step of its own: the kernel waits for a grace period of RCU for each end of each hook, and
    nobody has to wait with it.
    """

    vpc_id: str
    wires: tuple[Wire, ...]

    def __str__(self) -> str:
        return f"open lane of {self.vpc_id}: {_few(tuple(wire.eni_id for wire in self.wires))}"


@dataclass(frozen=True, slots=True)
class WithdrawAddresses(Step):
    """Let the internet forget public addresses."""

    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"withdraw {_few(self.addresses)}"


@dataclass(frozen=True, slots=True)
class DropRoutes(Step):
    """Drop routes, policy rules and resolver addresses."""

    vpc_id: str
    routes: tuple[KernelRoute, ...]
    rules: tuple[KernelRule, ...]
    resolvers: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"drop routes of {self.vpc_id}:"
            f" {_few((*_texts(self.routes, self.rules), *self.resolvers))}"
        )


@dataclass(frozen=True, slots=True)
class DetachInterfaces(Step):
    """Cut links of a router that no interface wants any more."""

    vpc_id: str
    links: tuple[str, ...]

    def __str__(self) -> str:
        return f"detach from {self.vpc_id}: {_few(self.links)}"


@dataclass(frozen=True, slots=True)
class DetachGateway(Step):
    """Cut a link to the internet, by its end there."""

    link: str

    def __str__(self) -> str:
        return f"detach internet gateway {self.link}"


@dataclass(frozen=True, slots=True)
class RemoveNamespaces(Step):
    """Remove namespaces of interfaces and routers that have gone."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"remove namespaces {_few(self.names)}"


NetworkStep = (
    PutRouter
    | ChangeRules
    | AttachInterfaces
    | AttachGateway
    | PutRoutes
    | PublishAddresses
    | OpenLane
    | WithdrawAddresses
    | DropRoutes
    | DetachInterfaces
    | DetachGateway
    | RemoveNamespaces
)
LATER = (
    *(OpenLane, WithdrawAddresses, DropRoutes),
    *(DetachInterfaces, DetachGateway, RemoveNamespaces),
)
"""What nobody waits for who needs the network: it comes last."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A VPC, rendered."""

    vpc: Vpc
    wiring: Wiring
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, vpc: Vpc) -> Wish:
        """Render everything of a VPC that is compared with the kernel."""
        return cls(vpc, wiring(vpc), parts(vpc))


@dataclass(slots=True)
class Rendered:
    """VPCs, rendered. One that is the same object as before is not rendered again."""

    _known: dict[str, Wish] = field(default_factory=dict)

    def of(self, network: Network) -> list[Wish]:
        """The network's VPCs."""
        before, self._known = self._known, {}
        for vpc in network.vpcs:
            old = before.get(vpc.vpc_id)
            same = old is not None and old.vpc is vpc
            self._known[vpc.vpc_id] = old if same and old is not None else Wish.of(vpc)
        return list(self._known.values())


def steps(
    network: Network, observed: Observed, rendered: Rendered | None = None
) -> list[NetworkStep]:
    """What to do, in order. Empty when the kernel holds exactly the blueprint.

    ``rendered`` is what was rendered before, and is given again where it still holds.
    """
    wishes = (rendered or Rendered()).of(network)
    puts = [step for wish in wishes for step in _puts(wish, observed)]
    drops = [step for wish in wishes for step in _drops(wish, observed)]
    puts += [step for wish in wishes for step in _lanes(wish, observed)]
    return [*puts, *_withdrawals(wishes, observed), *drops, *_removals(wishes, observed)]


def standing(
    network: Network, observed: Observed, rendered: Rendered | None = None
) -> tuple[set[str], set[str]]:
    """The ids of VPCs and of interfaces that stand in the kernel exactly as wished."""
    routers: set[str] = set()
    interfaces: set[str] = set()
    for wish in (rendered or Rendered()).of(network):
        seen = observed.routers.get(wish.vpc.vpc_id, ObservedRouter())
        by_name = {part.name: part.print for part in wish.parts}
        if not seen.forwards or seen.parts.get("base") != by_name["base"]:
            continue
        routers.add(wish.vpc.vpc_id)
        interfaces |= {
            each.eni_id
            # After the interfaces' wires come those of gateway endpoints.
            for each, wire in zip(wish.vpc.interfaces, wish.wiring.wires, strict=False)
            if _complete(wire, seen, observed)
            and seen.parts.get(f"eni/{wire.eni_id}") == by_name[f"eni/{wire.eni_id}"]
            and _reached(wish.wiring, each, seen, observed)
        }
    return routers, interfaces


def _reached(wired: Wiring, interface: Interface, seen: ObservedRouter, observed: Observed) -> bool:
    """Whether packets find the interface, by its private and its public address."""
    link = interface_link(interface.eni_id)
    if KernelRoute(LOCAL_TABLE, str(interface.address), link) not in seen.routes:
        return False
    public = str(interface.public_address)
    return public not in wired.public or observed.public.get(public) == internet_link(wired.vpc_id)


def _puts(wish: Wish, observed: Observed) -> Iterator[NetworkStep]:
    vpc_id, wired = wish.vpc.vpc_id, wish.wiring
    seen = observed.routers.get(vpc_id, ObservedRouter())
    if vpc_id not in observed.namespaces or not seen.forwards or wired.resolvers - seen.resolvers:
        yield PutRouter(vpc_id, tuple(sorted(wired.resolvers - seen.resolvers)))
    yield from _rule_changes(wish, seen)
    broken = [wire for wire in wired.wires if not _complete(wire, seen, observed)]
    if broken:
        there = frozenset(wire.link for wire in broken) & (seen.links.keys() | seen.unfinished)
        yield AttachInterfaces(vpc_id, tuple(broken), there)
    link = internet_link(vpc_id)
    linked = seen.gateway and link in observed.internet_links
    if wired.gateway and not linked:
        yield AttachGateway(vpc_id)
    # The kernel drops a device's routes with the device.
    remade = {wire.link for wire in broken} | (set() if linked else {GATEWAY_LINK})
    kept = {route for route in seen.routes if route.device not in remade}
    routes, rules = wired.routes - kept, wired.rules - seen.rules
    if routes or rules:
        yield PutRoutes(vpc_id, tuple(sorted(routes)), tuple(sorted(rules)))
    public = {
        address for address in wired.public if not linked or observed.public.get(address) != link
    }
    if public:
        yield PublishAddresses(vpc_id, tuple(sorted(public)))


def _rule_changes(wish: Wish, seen: ObservedRouter) -> Iterator[ChangeRules]:
    vpc_id = wish.vpc.vpc_id
    if "base" not in seen.parts:
        whole = render_whole(wish.parts)
        yield ChangeRules(vpc_id, tuple(f"+{part.name}" for part in wish.parts), whole, whole)
        return
    text, names = render_changes(wish.parts, dict(seen.parts))
    if names:
        forget = tuple(_unpublished(wish, seen))
        yield ChangeRules(vpc_id, names, text, render_whole(wish.parts), forget)


def _unpublished(wish: Wish, seen: ObservedRouter) -> Iterator[str]:
    for interface in wish.vpc.interfaces:
        old = seen.parts.get(f"eni/{interface.eni_id}")
        if old is not None and public_of(old) not in ("-", str(interface.public_address)):
            yield str(interface.address)


def _complete(wire: Wire, seen: ObservedRouter, observed: Observed) -> bool:
    marked = seen.links.get(wire.link) in (wire.alias, wire.new_alias)
    return marked and wire.eni_id in observed.namespaces


def _lanes(wish: Wish, observed: Observed) -> Iterator[NetworkStep]:
    seen = observed.routers.get(wish.vpc.vpc_id, ObservedRouter())
    wires = tuple(
        wire
        for wire in wish.wiring.wires
        if not wire.nat
        and (seen.links.get(wire.link) != wire.alias or not _complete(wire, seen, observed))
    )
    if wires:
        yield OpenLane(wish.vpc.vpc_id, wires)


def _withdrawals(wishes: list[Wish], observed: Observed) -> Iterator[NetworkStep]:
    wanted = {address for wish in wishes for address in wish.wiring.public}
    gone = observed.public.keys() - wanted
    if gone:
        yield WithdrawAddresses(tuple(sorted(gone)))


def _drops(wish: Wish, observed: Observed) -> Iterator[NetworkStep]:
    vpc_id, wired = wish.vpc.vpc_id, wish.wiring
    seen = observed.routers.get(vpc_id)
    if seen is None:
        return
    # A route of the same table and destination was replaced by its put.
    put = {(route.table, route.destination) for route in wired.routes}
    routes = {
        route for route in seen.routes - wired.routes if (route.table, route.destination) not in put
    }
    rules = seen.rules - wired.rules
    resolvers = seen.resolvers - wired.resolvers
    if routes or rules or resolvers:
        yield DropRoutes(
            vpc_id, tuple(sorted(routes)), tuple(sorted(rules)), tuple(sorted(resolvers))
        )
    wanted = {wire.link for wire in wired.wires}
    links = {name for name in seen.links.keys() | seen.unfinished if name.startswith("e-")} - wanted
    if links:
        yield DetachInterfaces(vpc_id, tuple(sorted(links)))


def _removals(wishes: list[Wish], observed: Observed) -> Iterator[NetworkStep]:
    gateways = {internet_link(wish.vpc.vpc_id) for wish in wishes if wish.wiring.gateway}
    for link in sorted(observed.internet_links - gateways):
        yield DetachGateway(link)
    routers = {wish.vpc.vpc_id for wish in wishes}
    for vpc_id in sorted(observed.routers.keys() - routers):
        seen = observed.routers[vpc_id]
        links = {name for name in seen.links.keys() | seen.unfinished if name.startswith("e-")}
        if links:
            # A process in the router's namespace would keep its links alive without a name.
            yield DetachInterfaces(vpc_id, tuple(sorted(links)))
    wanted = routers | {wire.eni_id for wish in wishes for wire in wish.wiring.wires}
    gone = observed.namespaces - wanted
    if gone:
        yield RemoveNamespaces(tuple(sorted(gone)))


def _texts(routes: tuple[KernelRoute, ...], rules: tuple[KernelRule, ...]) -> tuple[str, ...]:
    return (*(route.text for route in routes), *(rule.text for rule in rules))


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"
