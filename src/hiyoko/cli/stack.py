"""A site's stack: change set, execution with live progress, deletion. The same on every target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

from botocore.exceptions import ClientError

from hiyoko.cli.errors import CommandError
from hiyoko.cli.target import Target
from hiyoko.cli.troubles import Troubles
from hiyoko.site import endpoints
from hiyoko.site.model import Site
from hiyoko.site.render import render_template

NO_CHANGE = ("didn't contain changes", "No updates are to be performed")
BEGUN = "REVIEW_IN_PROGRESS"
ONLY_DELETABLE = ("ROLLBACK_COMPLETE", "CREATE_FAILED", "ROLLBACK_FAILED", "DELETE_FAILED")
"""A first deployment that failed, or a removal: CloudFormation takes no update any more."""


TASK = "task"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan. ``action`` is Add, Modify or Remove."""

    action: str
    logical_id: str
    kind: str
    replacement: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A change set, ready to be executed; empty ``changes`` mean that there is nothing to do."""

    name: str
    new: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """One event of a stack."""

    at: datetime
    logical_id: str
    kind: str
    status: str
    reason: str


Show = Callable[[Progress], None]


@dataclass(slots=True)
class SiteStack:
    """The stack of one site on one target."""

    site: Site
    target: Target
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.target.client("cloudformation")

    @property
    def poll_s(self) -> float:
        """AWS throttles DescribeStackEvents; the local cloud does not."""
        return 0.2 if self.target.local else 3.0

    def describe(self) -> dict[str, Any] | None:
        """The stack, or None when there is none."""
        try:
            stacks = self.client.describe_stacks(StackName=self.site.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return dict(stacks[0])

    def wreck(self) -> str:
        """The status of a stack that must be removed before it can be deployed, or nothing."""
        status = str((self.describe() or {}).get("StackStatus", ""))
        return status if status in ONLY_DELETABLE else ""

    def resources(self) -> dict[str, dict[str, Any]]:
        """Every resource of the stack that is there, by logical id."""
        pages = self.client.get_paginator("list_stack_resources").paginate(StackName=self.site.name)
        return {
            item["LogicalResourceId"]: item
            for page in pages
            for item in page["StackResourceSummaries"]
            if item["ResourceStatus"] != "DELETE_COMPLETE"
        }

    def plan(self) -> Plan:
        """Make a change set and read it. Raises CommandError with what stands in the way."""
        stack = self.describe()
        status = stack["StackStatus"] if stack else BEGUN
        if status.endswith("_IN_PROGRESS") and status != BEGUN:
            raise CommandError(
                f"stack {self.site.name} is {status}: another operation goes on; wait for its end"
            )
        if status in ONLY_DELETABLE:
            raise CommandError(
                f"stack {self.site.name} is {status}: it can only be deleted."
                " Remove it with `hiyoko down`, then run `hiyoko up` again."
            )
        new = status == BEGUN
        name = f"hiyoko-{datetime.now(UTC):%Y%m%d%H%M%S%f}"
        self.client.create_change_set(
            StackName=self.site.name,
            ChangeSetName=name,
            ChangeSetType="CREATE" if new else "UPDATE",
            TemplateBody=render_template(self.site),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=self._parameters({} if new else stack or {}),
        )
        return self._read(name, new)

    def _parameters(self, stack: dict[str, Any]) -> list[dict[str, Any]]:
        """The template's parameters. A hosted zone stays what it was when the stack was made."""
        given: list[dict[str, Any]] = []
        if self.site.domain is not None:
            zone: dict[str, Any] = {"ParameterKey": "HostedZoneId"}
            known = {item["ParameterKey"] for item in stack.get("Parameters", ())}
            if zone["ParameterKey"] in known:
                given.append(zone | {"UsePreviousValue": True})
            else:
                given.append(zone | {"ParameterValue": self._existing_zone()})
        if self.site.endpoints:
            key, value = endpoints.PREFIX_LIST, self._prefix_list()
            given.append({"ParameterKey": key, "ParameterValue": value})
        return given

    def _prefix_list(self) -> str:
        """The id of S3's prefix list. Raises CommandError in a region without one."""
        name = endpoints.prefix_list_name(self.target.region)
        only = [{"Name": "prefix-list-name", "Values": [name]}]
        found = self.target.client("ec2").describe_prefix_lists(Filters=only)["PrefixLists"]
        if not found:
            raise CommandError(
                f"{self.target.name} has no prefix list {name}, which egress: endpoints needs;"
                " choose another region, or say what tasks may reach"
            )
        return str(found[0]["PrefixListId"])

    def _existing_zone(self) -> str:
        """The id of the public hosted zone that is already there, or an empty string."""
        wanted = f"{self.site.hosted_zone}."
        found = self.target.client("route53").list_hosted_zones_by_name(DNSName=wanted)
        for zone in found["HostedZones"]:
            if zone["Name"] == wanted and not zone["Config"]["PrivateZone"]:
                return str(zone["Id"]).rpartition("/")[2]
        return ""

    def _read(self, name: str, new: bool) -> Plan:
        changes: list[Change] = []
        token: dict[str, str] = {}
        while True:
            answer = self.client.describe_change_set(
                StackName=self.site.name, ChangeSetName=name, **token
            )
            if answer["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                Event().wait(self.poll_s)
                continue
            if answer["Status"] == "FAILED":
                return self._no_plan(name, new, answer.get("StatusReason", ""))
            changes += [_change(item["ResourceChange"]) for item in answer["Changes"]]
            if "NextToken" not in answer:
                return Plan(name, new, tuple(changes))
            token = {"NextToken": answer["NextToken"]}

    def _no_plan(self, name: str, new: bool, reason: str) -> Plan:
        self.forget(Plan(name, new, ()))
        if any(text in reason for text in NO_CHANGE):
            return Plan(name, new, ())
        raise CommandError(f"the change set failed: {reason}")

    def forget(self, plan: Plan) -> None:
        """Delete a change set that will not be executed, and the stack that only held it."""
        self.client.delete_change_set(StackName=self.site.name, ChangeSetName=plan.name)
        if plan.new:
            self.client.delete_stack(StackName=self.site.name)

    def execute(self, plan: Plan, show: Show) -> str:
        """Execute a plan to its end, showing each event; the stack's final status."""
        seen = {event["EventId"] for event in self._events()}
        self.client.execute_change_set(StackName=self.site.name, ChangeSetName=plan.name)
        return self._watch(self.site.name, seen, show)

    def delete(self, show: Show) -> str:
        """Delete the stack to the end, showing each event; the final status."""
        stack = self.describe()
        if stack is None:
            return "DELETE_COMPLETE"
        self._remove_validation_records()
        # Once it is gone the stack is known by its ARN only.
        arn = stack["StackId"]
        seen = {event["EventId"] for event in self._events(arn)}
        self.client.delete_stack(StackName=arn)
        return self._watch(arn, seen, show)

    def _remove_validation_records(self) -> None:
        """Empty the zone that this stack made of the records that prove its certificate.

        CloudFormation writes them for a certificate and leaves them behind, and a zone that holds
        them cannot be deleted.
        """
        zone = self.resources().get("HostedZone", {}).get("PhysicalResourceId")
        if not zone:
            return
        client = self.target.client("route53")
        pages = client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
        changes = [
            {"Action": "DELETE", "ResourceRecordSet": record}
            for page in pages
            for record in page["ResourceRecordSets"]
            if record["Type"] == "CNAME"
            and any(
                each["Value"].rstrip(".").endswith("acm-validations.aws")
                for each in record.get("ResourceRecords", ())
            )
        ]
        if changes:
            client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    def _watch(self, name: str, seen: set[str], show: Show) -> str:
        troubles = Troubles(self.target)
        while True:
            status = str(self.client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
            for event in reversed(list(self._fresh(name, seen))):
                if event["ResourceType"] == "AWS::ECS::Cluster":
                    troubles.cluster = event.get("PhysicalResourceId", "")
                show(_progress(event))
            for service, reason in troubles.news():
                show(Progress(datetime.now(UTC), service, TASK, "STOPPED", reason))
            if not status.endswith("_IN_PROGRESS"):
                return status
            Event().wait(self.poll_s)

    def _fresh(self, name: str, seen: set[str]) -> Iterator[dict[str, Any]]:
        for event in self._events(name):
            if event["EventId"] in seen:
                return
            seen.add(event["EventId"])
            yield event

    def _events(self, name: str | None = None) -> Iterator[dict[str, Any]]:
        pages = self.client.get_paginator("describe_stack_events").paginate(
            StackName=name or self.site.name
        )
        for page in pages:
            yield from page["StackEvents"]


def outputs_of(described: dict[str, Any]) -> dict[str, str]:
    """A described stack's outputs by name."""
    return {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", [])}


def _change(item: dict[str, Any]) -> Change:
    details = sorted(
        {
            detail["Target"].get("Name") or detail["Target"]["Attribute"]
            for detail in item.get("Details", [])
        }
    )
    return Change(
        item["Action"],
        item["LogicalResourceId"],
        item["ResourceType"],
        item.get("Replacement", "False") if item["Action"] == "Modify" else "",
        tuple(details),
    )


def _progress(event: dict[str, Any]) -> Progress:
    return Progress(
        event["Timestamp"],
        event["LogicalResourceId"],
        event["ResourceType"],
        event["ResourceStatus"],
        event.get("ResourceStatusReason", ""),
    )
