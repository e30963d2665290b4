"""One step of a stack: the stack as it becomes, its events, its resources' handles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hiyoko.api import Call
from hiyoko.services.cloudformation import rows
from hiyoko.services.cloudformation.errors import ValidationError
from hiyoko.services.cloudformation.model import (
    Doomed,
    Event,
    Physical,
    Stack,
    StackResource,
    Wish,
)
from hiyoko.services.cloudformation.requests import fitted
from hiyoko.template.functions import Resolver
from hiyoko.template.read import read_template
from hiyoko.template.resource_type import Handle

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# AWS answers no earlier than this for a resource that does not settle (ECS's service limit).
SETTLE_S_MAX = 3 * 3600.0
# How long a deletion may be refused because something still uses the resource.
DELETE_S_MAX = 600.0


def pseudo_parameters(call: Call, stack_id: str, name: str) -> dict[str, Any]:
    """The values of AWS::Region and the others."""
    return {
        "AWS::AccountId": call.account,
        "AWS::NotificationARNs": [],
        "AWS::Partition": "aws",
        "AWS::Region": call.region,
        "AWS::StackId": stack_id,
        "AWS::StackName": name,
        "AWS::URLSuffix": "amazonaws.com",
    }


def masked(text: str, wish: Wish) -> str:
    """JSON text with the values of a wish's NoEcho parameters hidden."""
    if not text or not wish.template:
        return text
    for name, parameter in read_template(wish.template).parameters.items():
        secret = json.dumps(wish.parameters.get(name, ""))[1:-1]
        if parameter.no_echo and secret:
            text = text.replace(secret, "****")
    return text


@dataclass(frozen=True, slots=True)
class Around:
    """What a template may ask of the account: other stacks' exports and the region's zones."""

    call: Call

    def imported(self, name: str) -> str:
        """The value of another stack's export."""
        for stack in rows.list_living(self.call.tx, self.call.account, self.call.region):
            for output in stack.outputs:
                if output.export == name:
                    return output.value
        raise ValidationError(f"No export named {name} found")

    def zones(self, region: str) -> list[str]:
        """The availability zones by name."""
        answer = replace(self.call, region=region).invoke("ec2", "DescribeAvailabilityZones", {})
        return sorted(zone["ZoneName"] for zone in answer["AvailabilityZones"])


@dataclass(frozen=True, slots=True)
class StackWorld:
    """A stack's resources as its template's functions see them."""

    around: Around
    resources: Mapping[str, StackResource]

    def ref(self, logical_id: str) -> str:
        """The physical id."""
        return self.resources[logical_id].physical.physical_id

    def attribute(self, logical_id: str, name: str) -> Any:
        """The attribute; refused by name when the type has none such."""
        resource = self.resources[logical_id]
        found = json.loads(resource.physical.attributes)
        if name not in found:
            raise ValidationError(
                f"Resource type {resource.type} does not support attribute {{{name}}}."
            )
        return found[name]

    def imported(self, name: str) -> str:
        """The value of another stack's export."""
        return self.around.imported(name)

    def zones(self, region: str) -> list[str]:
        """The availability zones by name."""
        return self.around.zones(region)


@dataclass(slots=True)
class Run:
    """A stack within one transaction. ``save`` writes what it became."""

    call: Call
    stack: Stack
    resources: dict[str, StackResource] = field(default_factory=dict)
    again_s: float | None = None

    @classmethod
    def of(cls, call: Call, stack: Stack) -> Run:
        """Begin with what is stored."""
        found = rows.list_resources(call.tx, stack.id)
        return cls(call, stack, {resource.logical_id: resource for resource in found})

    def save(self) -> None:
        """Write the stack; resources and events were written as they came."""
        rows.put_stack(self.call.tx, self.stack)

    def resolver(self, wish: Wish) -> Resolver:
        """Resolves a wish's template against the resources as they are."""
        return Resolver(
            read_template(wish.template),
            wish.parameters,
            pseudo_parameters(self.call, self.stack.id, self.stack.name),
            StackWorld(Around(self.call), self.resources),
        )

    def become(self, status: str, reason: str = "") -> None:
        """The stack moves to another state, and its history says so."""
        self.stack = replace(self.stack, status=status, status_reason=reason)
        stack = self.stack
        self._event(
            stack.name, stack.id, "AWS::CloudFormation::Stack", status, reason, event_id=self.uuid()
        )

    def begin(self, status: str, reason: str = "User Initiated") -> None:
        """A new operation starts."""
        self.stack = replace(
            self.stack, operation=self.uuid(), operation_started_at=self.call.now, undo=""
        )
        self.become(status, reason)

    def put(self, resource: StackResource, *, tell: bool = True) -> StackResource:
        """Write a resource and, unless nothing happened to it, an event with its status."""
        rows.put_resource(self.call.tx, resource)
        self.resources[resource.logical_id] = resource
        if tell:
            self.tell(
                resource.logical_id,
                resource.physical.physical_id,
                resource.type,
                resource.status,
                resource.reason,
                resource.physical.properties,
            )
        return resource

    def forget(self, logical_id: str) -> None:
        """A resource is no longer part of the stack."""
        rows.delete_resource(self.call.tx, self.stack.id, logical_id)
        self.resources.pop(logical_id, None)

    def tell(
        self,
        logical_id: str,
        physical_id: str,
        kind: str,
        status: str,
        reason: str = "",
        properties: str = "",
    ) -> None:
        """An event of a resource."""
        properties = self.masked(properties)
        stamp = f"{int(self.call.now * 1000)}-{self.stack.event_count}"
        self._event(
            logical_id,
            physical_id,
            kind,
            status,
            reason,
            properties,
            event_id=f"{logical_id}-{status}-{stamp}",
        )

    def masked(self, text: str) -> str:
        """JSON text with the values of NoEcho parameters hidden."""
        return masked(text, self.stack.wish)

    def _event(
        self,
        logical_id: str,
        physical_id: str,
        kind: str,
        status: str,
        reason: str,
        properties: str = "",
        *,
        event_id: str,
    ) -> None:
        stack = self.stack
        self.stack = replace(stack, event_count=stack.event_count + 1)
        rows.insert_event(
            self.call.tx,
            Event(
                stack_id=stack.id,
                number=stack.event_count,
                id=event_id,
                stack_name=stack.name,
                logical_id=logical_id,
                physical_id=physical_id,
                type=kind,
                at=self.call.now,
                status=status,
                reason=reason,
                properties=properties,
                token=stack.client_token,
            ),
        )

    def handle(
        self,
        logical_id: str,
        physical: Physical,
        properties: Mapping[str, Any] | None = None,
        old: Mapping[str, Any] | None = None,
    ) -> Handle:
        """A resource as its type's functions see it."""
        return Handle(
            invoke=self.invoke,
            region=self.call.region,
            account=self.call.account,
            stack_name=self.stack.name,
            stack_id=self.stack.id,
            logical_id=logical_id,
            token=self.token(),
            properties=json.loads(physical.properties) if properties is None else properties,
            old=old or {},
            physical_id=physical.physical_id,
            attributes=json.loads(physical.attributes),
        )

    def invoke(self, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """A public operation of a service, with the request checked as the gateway would."""
        return self.call.invoke(service, operation, fitted(service, operation, request))

    def token(self) -> str:
        """12 letters and digits."""
        number = int(self.call.ids.hex(24), 16)
        return "".join(_LETTERS[number // 62**place % 62] for place in range(12))

    def uuid(self) -> str:
        """A new UUID."""
        return self.call.ids.uuid()

    def wake_in(self, seconds: float) -> None:
        """Ask for another step when a time-out ends."""
        self.again_s = seconds if self.again_s is None else min(self.again_s, seconds)

    def doom(self, logical_id: str, kind: str, physical: Physical, *, retain: bool = False) -> None:
        """Something must go; what is doomed already keeps how far it came."""
        known = {
            (d.logical_id, d.physical_id) for d in rows.list_doomed(self.call.tx, self.stack.id)
        }
        if (logical_id, physical.physical_id) not in known:
            rows.put_doomed(
                self.call.tx,
                Doomed(self.stack.id, logical_id, physical.physical_id, kind, physical, retain),
            )
