"""A change batch applied to a zone's record sets: all or nothing, each change sees those before it.

Pure: sets go in, sets or Route 53's messages come out. Duplicates, conflicts and apex rules follow
https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from hiyoko.services.route53.model import AliasTarget, HostedZone, RecordSet
from hiyoko.services.route53.names import is_within
from hiyoko.services.route53.values import BadValue, check_value

GROUP_MAX = 100
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""

_GROUP_MAX_OF = {"geoproximity": 30}
_UNIQUE = {
    "latency": "Region",
    "failover": "Failover value",
    "geolocation": "GeoLocation",
    "geoproximity": "GeoProximityLocation",
    "CIDR": "CidrRoutingConfig",
}

FindAlias = Callable[[AliasTarget], str | None]
"""What is wrong with an alias to something outside the zone; None when nothing is."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One change: CREATE, DELETE or UPSERT of a set."""

    action: str
    record: RecordSet


@dataclass(slots=True)
class Batch:
    """A zone's sets while a batch is applied to them, and what was wrong so far."""

    zone: HostedZone
    records: dict[tuple[str, str, str], RecordSet]
    find_alias: FindAlias
    messages: list[str] = field(default_factory=list)
    _by_name: dict[str, dict[tuple[str, str, str], RecordSet]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, record in self.records.items():
            self._by_name.setdefault(record.name, {})[key] = record

    def apply(self, changes: Sequence[Wanted]) -> None:
        """Apply every change that can be; note a message for every one that can't."""
        for change in changes:
            wrong = self._wrong(change)
            if wrong:
                self.messages.extend(wrong)
            elif change.action == "DELETE":
                del self.records[change.record.key]
                del self._by_name[change.record.name][change.record.key]
            else:
                self.records[change.record.key] = change.record
                self._by_name.setdefault(change.record.name, {})[change.record.key] = change.record
        if not self.messages:
            self.messages.extend(self._apex_missing())
            touched = {c.record.key for c in changes if c.action != "DELETE"}
            self.messages.extend(self._wrong_groups(touched))

    def _wrong(self, change: Wanted) -> list[str]:
        record = change.record
        if not is_within(record.name, self.zone.name):
            return [f"RRSet with DNS name {record.name} is not permitted in zone {self.zone.name}"]
        if change.action == "DELETE":
            return self._wrong_delete(record)
        shown = _shown(record)
        if change.action == "CREATE" and record.key in self.records:
            return [f"Tried to create resource record set {shown} but it already exists"]
        return self._wrong_values(record) or self._wrong_neighbours(record)

    def _wrong_delete(self, record: RecordSet) -> list[str]:
        shown = _shown(record)
        present = self.records.get(record.key)
        if present is None:
            return [f"Tried to delete resource record set {shown} but it was not found"]
        if _comparable(present) != _comparable(record):
            return [
                f"Tried to delete resource record set {shown} but the values provided do not"
                " match the current values"
            ]
        return []

    def _wrong_values(self, record: RecordSet) -> list[str]:
        wrong = []
        for value in record.values:
            try:
                check_value(record.type, value)
            except BadValue as error:
                wrong.append(str(error))
        return wrong

    def _wrong_neighbours(self, record: RecordSet) -> list[str]:
        name, kind = record.name, record.type
        others = {other for _, other, _ in self._by_name.get(name, {}) if other != kind}
        if kind == "CNAME" and name == self.zone.name:
            return [
                f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone"
                f" {self.zone.name}"
            ]
        if kind == "CNAME" and others:
            return [
                f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with"
                f" other records with the same DNS name in zone {self.zone.name}"
            ]
        if "CNAME" in others:
            # The two blanks are Route 53's.
            return [
                f"RRSet of type {kind} with DNS name {name} is not permitted because a"
                f" conflicting RRSet of type  CNAME with the same DNS name already exists in zone"
                f" {self.zone.name}"
            ]
        if kind == "SOA" and name != self.zone.name:
            return [f"RRSet of type SOA with DNS name {name} is only permitted at the zone apex"]
        return self._wrong_policy(record) or self._wrong_alias(record)

    def _group(self, record: RecordSet) -> list[RecordSet]:
        """The other sets of its name and type."""
        return [
            other
            for key, other in self._by_name.get(record.name, {}).items()
            if other.type == record.type and key != record.key
        ]

    def _wrong_policy(self, record: RecordSet) -> list[str]:
        """One policy to a group, and no two sets of it that mean the same."""
        others = self._group(record)
        if not others:
            return []
        start = f"RRSet with DNS name {record.name}, type {record.type}"
        if record.policy == "simple":
            return [f"{start} cannot be created as other RRSets exist with the same name and type."]
        start += f", SetIdentifier {record.set_id} cannot be created as "
        if any(other.policy != record.policy for other in others):
            kind = record.policy
            return [f"{start}a non-{kind} set exists with the same name and type."]
        if record.cidr and any(o.cidr and _collection(o) != _collection(record) for o in others):
            return [f"{start}all sets of the group must name the same CIDR collection."]
        if record.policy in _UNIQUE and any(_role(o) == _role(record) for o in others):
            return [f"{start}a {record.policy} set with the same {_UNIQUE[record.policy]} exists."]
        return []

    def _wrong_groups(self, touched: Collection[tuple[str, str, str]]) -> list[str]:
        """What only the finished batch shows: a weighted group has one TTL; groups are limited.

        A batch may give every set of a group another TTL, so nobody complains on the way there.
        """
        wrong = []
        for key in sorted(touched & self.records.keys()):
            record = self.records[key]
            others = self._group(record)
            start = f"RRSet with DNS name {record.name} and type {record.type}"
            ttls = {other.ttl_s for other in (record, *others)} - {None}
            if record.policy == "weighted" and record.ttl_s is not None and len(ttls) > 1:
                wrong.append(
                    f"{start}, SetIdentifier {record.set_id} cannot be created as weighted"
                    " sets must contain the same TTL."
                )
            most = _GROUP_MAX_OF.get(record.policy, GROUP_MAX)
            if len(others) >= most:
                wrong.append(f"{start} cannot be created as {most} sets exist already.")
        return wrong

    def _wrong_alias(self, record: RecordSet) -> list[str]:
        alias = record.alias
        if alias is None:
            return []
        start = (
            f"Tried to create an alias that targets {alias.dns_name}, type {record.type} in zone"
            f" {alias.zone_id}, but "
        )
        if alias.zone_id != self.zone.zone_id:
            wrong = self.find_alias(alias)
            return [start + wrong] if wrong else []
        wrongs = []
        if not is_within(alias.dns_name, self.zone.name):
            wrongs.append(start + "the alias target name does not lie within the target zone")
        target = (alias.dns_name, record.type)
        there = any(key[:2] == target for key in self._by_name.get(alias.dns_name, {}))
        if not there or alias.dns_name == record.name:
            wrongs.append(start + "that target was not found")
        return wrongs

    def _apex_missing(self) -> list[str]:
        missing = []
        if (self.zone.name, "SOA", "") not in self.records:
            missing.append("A HostedZone must contain exactly one SOA record.")
        if (self.zone.name, "NS", "") not in self.records:
            missing.append("A HostedZone must contain at least one NS record for the zone itself.")
        return missing


def _shown(record: RecordSet) -> str:
    identifier = f", set-identifier='{record.set_id}'" if record.set_id else ""
    return f"[name='{record.name}', type='{record.type}'{identifier}]"


def _role(record: RecordSet) -> object:
    """What no other set of the group may be."""
    at = record.proximity and replace(record.proximity, bias=0)
    return record.latency_region, record.failover, record.geo, at, record.cidr


def _collection(record: RecordSet) -> str | None:
    return record.cidr.collection_id if record.cidr else None


def _comparable(record: RecordSet) -> tuple[object, ...]:
    """What a DELETE must repeat: TTL and values in any order or the alias, and the routing.

    MultiValueAnswer may be left out.
    """
    alias = record.alias
    target = (alias.zone_id, alias.dns_name, alias.evaluate_health) if alias else None
    routing = (
        record.weight,
        record.latency_region,
        record.failover,
        record.geo,
        record.proximity,
        record.health_check_id,
        record.cidr,
    )
    return record.ttl_s, sorted(record.values), target, routing
