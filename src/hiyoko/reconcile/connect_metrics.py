"""Metrics of Service Connect, from what the proxies' HAProxy counts.

Each proxy counts what its task's containers send: so what comes to a name is the sum over those
who ask for it. Counters are taken once a minute, and before a server or a proxy goes.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hiyoko.blueprint.proxies import Proxy
from hiyoko.clock import Clock
from hiyoko.plane.connect.counters import FRONTEND, Counted
from hiyoko.plane.connect.plane import ChangeProxy, ProxyObserved, ProxyStep, StopProxy
from hiyoko.plane.connect.servers import SPARE
from hiyoko.reconcile.samples import MINUTE_S, Sample, record_samples, sample
from hiyoko.services.ecs.model import ConnectService, Service
from hiyoko.services.ecs.rows import SERVICES
from hiyoko.services.ecs.seen import PROXIES_COUNTED, ProxyCounted
from hiyoko.store.database import Store, Transaction

NAMESPACE = "AWS/ECS"
Owners = Mapping[str, tuple[Service, ConnectService]]
"""Who offers what, by the id of Cloud Map's service."""


@dataclass(frozen=True, slots=True)
class ConnectMetrics:
    """Holds no state of its own: the last counters are in the store."""

    store: Store
    clock: Clock

    def take(
        self,
        wished: Mapping[str, Proxy],
        observed: Mapping[str, ProxyObserved],
        steps: list[ProxyStep],
    ) -> bool:
        """Record what was counted by those whose minute is over, or of whom something goes.

        Whether there was anything.
        """
        minute = int(self.clock.now()) // MINUTE_S
        going = {eni_id for step in steps if (eni_id := _goes(step))}
        with self.store.reading() as tx:
            known = {row.eni_id: row for row in PROXIES_COUNTED.list(tx)}
            owners = load_owners(tx) if observed else {}
        news, found = [], defaultdict[tuple[str, str], list[Sample]](list)
        for eni_id, seen in observed.items():
            before, proxy = known.get(eni_id), wished.get(eni_id)
            due = before is None or before.minute != minute or eni_id in going
            if not seen.digest or not due or (before is None and proxy is None):
                continue
            row = _row(eni_id, seen, minute, proxy, before)
            old = before if before is not None and before.pid == seen.pid else None
            # What came since a minute's first look came in that minute.
            at = MINUTE_S * (before.minute if before is not None else minute)
            for place, one in _samples(row, seen, old, owners, at):
                found[place].append(one)
            news.append(row)
        gone = known.keys() - observed.keys()
        if news or gone:
            self._note(news, gone)
        for place, samples in found.items():
            record_samples(self.store, self.clock, place, NAMESPACE, samples)
        return bool(found)

    def _note(self, news: list[ProxyCounted], gone: set[str]) -> None:
        with self.store.transaction() as tx, tx.unobserved():
            for row in news:
                PROXIES_COUNTED.put(tx, row)
            for eni_id in gone:
                PROXIES_COUNTED.delete(tx, eni_id=eni_id)


def load_owners(tx: Transaction) -> Owners:
    """The services that offer something by Service Connect, those that are being deleted too."""
    return {
        one.registry.rpartition("/")[2]: (service, one)
        for service in SERVICES.list(tx)
        if service.primary.connect is not None
        for one in service.primary.connect.services
    }


def _goes(step: ProxyStep) -> str:
    """The proxy whose counters are lost by a step, or some of them."""
    match step:
        case StopProxy(eni_id):
            return eni_id
        case ChangeProxy(proxy, commands) if any(one.startswith("del ") for one in commands):
            return proxy.eni_id
    return ""


def _row(
    eni_id: str,
    seen: ProxyObserved,
    minute: int,
    proxy: Proxy | None,
    before: ProxyCounted | None,
) -> ProxyCounted:
    listeners = before.listeners if before is not None else ()
    if proxy is not None:
        listeners = tuple((one.backend, one.registry, one.protocol) for one in proxy.listeners)
    numbers = tuple((*key, one.numbers) for key, one in sorted(seen.counters.items()))
    return ProxyCounted(eni_id, seen.pid, minute, listeners, numbers)


def _samples(
    row: ProxyCounted, seen: ProxyObserved, old: ProxyCounted | None, owners: Owners, at: float
) -> Iterator[tuple[tuple[str, str], Sample]]:
    """What one proxy has counted since, by account and region."""
    before = {(one[0], one[1]): one[2] for one in old.counters} if old is not None else {}
    news = {key: one.since(before.get(key, ())) for key, one in seen.counters.items()}
    for backend, registry, protocol in row.listeners:
        if registry not in owners:
            continue
        service, offered = owners[registry]
        asked = news.get((backend, FRONTEND), Counted())
        answered = [
            (name, one)
            for (place, name), one in news.items()
            if name != FRONTEND and place.removesuffix(".test") == backend
        ]
        targets = {name.removeprefix(SPARE) for name, _ in answered}
        values = {
            "DiscoveryName": _asked(asked, protocol),
            "TargetDiscoveryName": _answered([one for _, one in answered], protocol, len(targets)),
        }
        cluster = service.cluster.rpartition("/")[2]
        for dimension, metrics in values.items():
            name = (dimension, offered.discovery_name)
            whole = (("ClusterName", cluster), name, ("ServiceName", service.name))
            for metric, (unit, counts) in metrics.items():
                for dimensions in ((name,), whole):
                    came = {value: float(times) for value, times in counts if times}
                    one = sample(metric, unit, dimensions, at, came)
                    yield (service.account, service.region), one


Values = dict[str, tuple[str, list[tuple[float, int]]]]
"""Metrics: the unit, and how often each value came."""


def _asked(one: Counted, protocol: str) -> Values:
    found: Values = {
        "ActiveConnectionCount": ("Count", [(float(one.active), 1)]),
        "NewConnectionCount": ("Count", [(float(one.connections), 1)]),
        "ProcessedBytes": ("Bytes", [(float(one.received), 1)]),
    }
    if protocol != "tcp":
        found["RequestCount"] = ("Count", [(1.0, one.requests)])
    if protocol == "grpc":
        found["GrpcRequestCount"] = ("Count", [(1.0, one.requests)])
    return found


def _answered(servers: list[Counted], protocol: str, targets: int) -> Values:
    total = sum(one.received + one.sent for one in servers)
    found: Values = {"TargetProcessedBytes": ("Bytes", [(float(total), 1)])}
    if protocol == "tcp":
        return found
    answers = {
        "2XX": sum(one.answers_2xx for one in servers),
        "3XX": sum(one.answers_3xx for one in servers),
        "4XX": sum(one.answers_4xx for one in servers),
        "5XX": sum(one.answers_5xx for one in servers),
    }
    for status, times in answers.items():
        found[f"HTTPCode_Target_{status}_Count"] = ("Count", [(1.0, times)])
    share = [(1 / max(1, targets), sum(one.sessions for one in servers))]
    found["RequestCountPerTarget"] = ("Count", share)
    return found
