"""The contract between the gateway, the services and the reconcilers.

An operation is a synchronous function of a :class:`Call` and the parsed request; it reads and
writes through ``call.tx`` and returns the response's members. It may not await, start or sleep:
nothing can come between its check and its write. Whoever calls, whether a client over HTTP, the
CloudFormation engine or another service, goes through :func:`invoke` or :meth:`Call.invoke`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from hiyoko.clock import Clock, Ids, RandomIds, SystemClock
from hiyoko.store.database import Store, Transaction

Request = Mapping[str, Any]
Response = dict[str, Any]

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "ap-northeast-1"


class AwsError(Exception):
    """A failure that the caller may see, in AWS's words.

    ``code`` is the wire code (``InvalidVpcID.NotFound``), ``fault`` is ``Sender`` or ``Receiver``,
    ``fields`` are further members of a modelled error shape.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        fault: str = "Sender",
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fault = fault
        self.fields = dict(fields or {})


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, where and when, with the transaction that the answer depends on."""

    tx: Transaction
    service: str
    operation: str
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    principal: str = f"arn:aws:iam::{DEFAULT_ACCOUNT}:root"
    request_id: str = "00000000-0000-0000-0000-000000000000"
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=RandomIds)

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.now()

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def invoke(self, service: str, operation: str, request: Request) -> Response:
        """Call a neighbour service inside this transaction: both happen, or neither.

        An operation whose name starts with ``_`` exists for neighbours only; the gateway does not
        know it.
        """
        handler = find_operation(service, operation)
        response: Response = handler(replace(self, service=service, operation=operation), request)
        return response


Handler = Callable[[Call, Any], Any]
H = TypeVar("H", bound=Handler)

_operations: dict[tuple[str, str], Handler] = {}
_sharing: set[tuple[str, str]] = set()
"""Operations whose commits may share a sync."""


def operation(name: str, *, shares_sync: bool = False) -> Callable[[H], H]:
    """Register a handler for an operation of the service whose package defines it.

    ``hiyoko.services.elbv2.target_groups`` registers under ``elbv2``: packages carry botocore's
    service names, with ``_`` for ``-``. ``shares_sync``: for one that is called very often and
    writes only what no reconciler looks at; see :meth:`hiyoko.store.database.Store.transaction`.
    """

    def register(handler: H) -> H:
        service = handler.__module__.split(".")[2].replace("_", "-")
        key = (service, name)
        assert key not in _operations, f"{key} is registered twice"
        _operations[key] = handler
        if shares_sync:
            _sharing.add(key)
        return handler

    return register


def operations(service: str) -> frozenset[str]:
    """The public operations that a service implements."""
    return frozenset(
        name for owner, name in _operations if owner == service and not name.startswith("_")
    )


def find_operation(service: str, name: str) -> Handler:
    """The handler of an operation; refused by name when there is none."""
    handler = _operations.get((service, name))
    if handler is None:
        raise not_implemented(service, name)
    return handler


def not_implemented(service: str, name: str) -> AwsError:
    """AWS's error form, saying by name what this cloud does not do."""
    return AwsError(
        "NotImplemented",
        f"hiyoko does not implement {service}:{name}.",
        status=501,
        fault="Receiver",
    )


def unsupported(parameter: str, value: object = None) -> AwsError:
    """Refuse by name a parameter (or a value of it) that would have no effect here."""
    what = parameter if value is None else f"{parameter}={value!r}"
    return AwsError(
        "NotImplemented", f"hiyoko does not implement {what}.", status=501, fault="Receiver"
    )


def invoke(
    store: Store,
    service: str,
    operation: str,
    request: Request,
    *,
    account: str = DEFAULT_ACCOUNT,
    region: str = DEFAULT_REGION,
    principal: str | None = None,
    request_id: str | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    dry_run: bool = False,
    waits: bool = False,
) -> Response:
    """Run one operation in one transaction of its own. Raises AwsError.

    ``dry_run`` runs it and takes it back: EC2's DryRun, answered by the error that says so.
    ``waits``: whoever calls waits for the store's ``synced()`` before it tells anybody of it.
    """
    handler = find_operation(service, operation)
    ids = ids or RandomIds()
    with store.transaction(share_sync=waits and (service, operation) in _sharing) as tx:
        call = Call(
            tx=tx,
            service=service,
            operation=operation,
            account=account,
            region=region,
            principal=principal or f"arn:aws:iam::{account}:root",
            request_id=request_id or ids.uuid(),
            clock=clock or SystemClock(),
            ids=ids,
        )
        response: Response = handler(call, request)
        if dry_run:
            raise AwsError(
                "DryRunOperation",
                "Request would have succeeded, but DryRun flag is set.",
                status=412,
            )
        return response


class Ask(Protocol):
    """How a service that moto answers for is asked: see :func:`ask_neighbour`."""

    def __call__(
        self, service: str, operation: str, request: Request, *, account: str, region: str
    ) -> Response:
        """Call it, and return the response's members."""
        ...


_ask: list[Ask] = []


def use_neighbours(ask: Ask) -> None:
    """Say who answers for the services that are not ours (S3, KMS, ...); the last word holds."""
    _ask[:] = [ask]


def ask_neighbour(
    service: str, operation: str, request: Request, *, account: str, region: str
) -> Response:
    """Call a service that is not ours, as any client would: botocore's names, shapes and codes.

    Bodies that stream come as bytes. It takes no part in a transaction: what it wrote stays, so
    write there last. Raises AwsError.
    """
    if not _ask:
        raise not_implemented(service, operation)
    return _ask[0](service, operation, request, account=account, region=region)
