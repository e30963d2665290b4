"""The engine with tiny resource types: a shelf in memory stands for a service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import hiyoko.services.cloudformation  # noqa: F401  registers the operations
from hiyoko.api import AwsError, invoke
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.store.database import Store
from hiyoko.template import resource_type
from hiyoko.template.resource_type import (
    Handle,
    Made,
    NotStabilizedError,
    Progress,
    ResourceType,
    in_place,
    register,
    replaces,
)


@dataclass
class Shelf:
    """What was made, in order, and what is to go wrong."""

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    unstable: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    refusing: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    count: int = 0

    def create(self, handle: Handle) -> Made:
        if handle.logical_id in self.refusing:
            raise AwsError("InvalidParameterValue", "No.")
        self.count += 1
        physical_id = f"{handle.logical_id.lower()}-{self.count}"
        self.things[physical_id] = dict(handle.properties)
        self.log.append(f"+{physical_id}")
        return Made(physical_id, {"Secret": "s"})

    def update(self, handle: Handle) -> None:
        if handle.properties.get("Size") == "bad":
            raise AwsError("InvalidParameterValue", "Bad size.")
        self.things[handle.physical_id] = dict(handle.properties)
        self.log.append(f"~{handle.physical_id}")

    def delete(self, handle: Handle) -> None:
        if handle.physical_id in self.busy:
            raise AwsError("DependencyViolation", "In use.")
        if handle.physical_id not in self.things:
            raise AwsError("InvalidThingID.NotFound", "Gone.")
        del self.things[handle.physical_id]
        self.log.append(f"-{handle.physical_id}")

    def stable(self, handle: Handle) -> Progress:
        if handle.logical_id in self.broken:
            raise NotStabilizedError("It broke.")
        return Progress.WAITING if handle.logical_id in self.unstable else Progress.DONE

    def read(self, handle: Handle) -> dict[str, Any]:
        return {"Arn": f"arn:{handle.physical_id}"}


@dataclass
class Clock:
    at: float = 1000.0

    def now(self) -> float:
        self.at += 0.001
        return self.at


@dataclass
class Bench:
    store: Store
    shelf: Shelf
    clock: Clock

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        return invoke(self.store, "cloudformation", operation, request, clock=self.clock)

    async def settle(self) -> None:
        reconciler = StackReconciler(self.store, self.clock)
        await reconciler.activate()
        assert (await reconciler.activate()).quiet

    async def create(self, template: dict[str, Any], **more: Any) -> str:
        self.call("CreateStack", StackName="site", TemplateBody=json.dumps(template), **more)
        await self.settle()
        return self.status()

    async def update(self, template: dict[str, Any], **more: Any) -> str:
        self.call("UpdateStack", StackName="site", TemplateBody=json.dumps(template), **more)
        await self.settle()
        return self.status()

    def status(self, name: str = "site") -> str:
        return str(self.call("DescribeStacks", StackName=name)["Stacks"][0]["StackStatus"])

    def events(self) -> list[str]:
        found = self.call("DescribeStackEvents", StackName="site")["StackEvents"]
        return [
            " ".join(
                filter(
                    None,
                    (e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason")),
                )
            )
            for e in reversed(found)
        ]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(resource_type, "_types", dict(resource_type._types))
    shelf = Shelf()
    register(
        ResourceType(
            "Test::Shelf::Thing",
            {**in_place("Size", "Label", "Tags"), **replaces("Kind", "Name")},
            create=shelf.create,
            update=shelf.update,
            delete=shelf.delete,
            stable=shelf.stable,
            read=shelf.read,
            attributes=frozenset({"Arn"}),
            required=frozenset({"Size"}),
            named="Name",
            tags=True,
        )
    )
    store = Store.open(":memory:")
    yield Bench(store, shelf, Clock())
    store.close()


def thing(size: Any = 1, **more: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        k: more.pop(k) for k in ("DependsOn", "DeletionPolicy", "Condition") if k in more
    }
    return {"Type": "Test::Shelf::Thing", "Properties": {"Size": size, **more}, **attributes}


def template(**resources: Any) -> dict[str, Any]:
    return {"Resources": resources}


async def test_a_stack_is_created_in_the_order_of_its_references(bench: Bench) -> None:
    wish = template(B=thing(Label={"Ref": "A"}), A=thing(), C=thing(Label={"Fn::GetAtt": "B.Arn"}))
    wish["Outputs"] = {"Arn": {"Value": {"Fn::GetAtt": ["C", "Arn"]}}}
    assert await bench.create(wish) == "CREATE_COMPLETE"
    assert bench.shelf.log == ["+a-1", "+b-2", "+c-3"]
    assert bench.shelf.things["c-3"]["Label"] == "arn:b-2"
    stack = bench.call("DescribeStacks", StackName="site")["Stacks"][0]
    assert stack["Outputs"] == [{"OutputKey": "Arn", "OutputValue": "arn:c-3"}]


async def test_the_events_of_a_create_are_in_the_order_and_words_of_aws(bench: Bench) -> None:
    await bench.create(template(A=thing()))
    assert bench.events() == [
        "site CREATE_IN_PROGRESS User Initiated",
        "A CREATE_IN_PROGRESS",
        "A CREATE_IN_PROGRESS Resource creation Initiated",
        "A CREATE_COMPLETE",
        "site CREATE_COMPLETE",
    ]


async def test_a_dependant_waits_until_its_dependency_is_stable(bench: Bench) -> None:
    bench.shelf.unstable = {"A"}
    assert await bench.create(template(A=thing(), B=thing(DependsOn="A"))) == "CREATE_IN_PROGRESS"
    assert bench.shelf.log == ["+a-1"]
    bench.shelf.unstable = set()
    await bench.settle()
    assert bench.status() == "CREATE_COMPLETE"


async def test_a_failed_create_is_rolled_back_and_what_ran_beside_it_is_cancelled(
    bench: Bench,
) -> None:
    bench.shelf.unstable = {"B"}
    bench.shelf.refusing = {"C"}
    wish = template(A=thing(), B=thing(), C=thing(DependsOn="A"))
    assert await bench.create(wish) == "ROLLBACK_COMPLETE"
    assert not bench.shelf.things
    events = bench.events()
    assert any(
        e.startswith('C CREATE_FAILED Resource handler returned message: "No.') for e in events
    )
    assert "B CREATE_FAILED Resource creation cancelled" in events
    assert (
        "site ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [C, B]."
        " Rollback requested by user."
    ) in events
    with pytest.raises(AwsError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        await bench.update(template(A=thing()))


async def test_a_resource_that_does_not_settle_fails_with_its_reason(bench: Bench) -> None:
    bench.shelf.broken = {"A"}
    assert await bench.create(template(A=thing()), OnFailure="DO_NOTHING") == "CREATE_FAILED"
    assert "A CREATE_FAILED It broke." in bench.events()
    assert list(bench.shelf.things) == ["a-1"]
    bench.call("DeleteStack", StackName="site")
    await bench.settle()
    assert not bench.shelf.things


async def test_an_unknown_property_is_refused_by_name(bench: Bench) -> None:
    assert await bench.create(template(A=thing(Colour="red"))) == "ROLLBACK_COMPLETE"
    assert (
        "A CREATE_FAILED Properties validation failed for resource A with message:"
        " [#: extraneous key [Colour] is not permitted]"
    ) in bench.events()


async def test_an_update_changes_in_place_or_makes_a_new_one_first(bench: Bench) -> None:
    await bench.create(template(A=thing(), B=thing(Label={"Ref": "A"})))
    bench.shelf.log.clear()
    assert (
        await bench.update(template(A=thing(2), B=thing(Label={"Ref": "A"}))) == "UPDATE_COMPLETE"
    )
    assert bench.shelf.log == ["~a-1"]
    bench.shelf.log.clear()
    await bench.update(template(A=thing(2, Kind="k"), B=thing(Label={"Ref": "A"})))
    assert bench.shelf.log == ["+a-3", "~b-2", "-a-1"]
    assert bench.shelf.things["b-2"]["Label"] == "a-3"
    assert bench.events()[-10:] == [
        "site UPDATE_IN_PROGRESS User Initiated",
        "A UPDATE_IN_PROGRESS Requested update requires the creation of a new physical resource;"
        " hence creating one.",
        "A UPDATE_IN_PROGRESS Resource creation Initiated",
        "A UPDATE_COMPLETE",
        "B UPDATE_IN_PROGRESS",
        "B UPDATE_COMPLETE",
        "site UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "A DELETE_IN_PROGRESS",
        "A DELETE_COMPLETE",
        "site UPDATE_COMPLETE",
    ]


async def test_resources_that_left_the_template_go_in_the_cleanup(bench: Bench) -> None:
    await bench.create(template(A=thing(), B=thing(Label={"Ref": "A"}), C=thing()))
    assert await bench.update(template(C=thing())) == "UPDATE_COMPLETE"
    assert bench.shelf.log == ["+a-1", "+c-2", "+b-3", "-b-3", "-a-1"]
    found = bench.call("DescribeStackResources", StackName="site")["StackResources"]
    assert [item["LogicalResourceId"] for item in found] == ["C"]


async def test_a_failed_update_goes_back_to_what_was(bench: Bench) -> None:
    await bench.create(template(A=thing(), B=thing(), C=thing()))
    wish = template(
        A=thing(2),
        B=thing(Kind="k", DependsOn="A"),
        N=thing(DependsOn="B"),
        C=thing("bad", DependsOn="N"),
    )
    assert await bench.update(wish) == "UPDATE_ROLLBACK_COMPLETE"
    assert bench.shelf.things == {"a-1": {"Size": 1}, "b-2": {"Size": 1}, "c-3": {"Size": 1}}
    events = bench.events()
    assert (
        "site UPDATE_ROLLBACK_IN_PROGRESS The following resource(s) failed to update: [C]. "
    ) in events
    assert events[-1] == "site UPDATE_ROLLBACK_COMPLETE"
    found = bench.call("DescribeStackResources", StackName="site")["StackResources"]
    assert [r["PhysicalResourceId"] for r in found] == ["a-1", "b-2", "c-3"]
    # and the stack can be updated again
    assert await bench.update(template(A=thing(3), B=thing(), C=thing())) == "UPDATE_COMPLETE"


async def test_no_change_is_refused(bench: Bench) -> None:
    await bench.create(template(A=thing()))
    with pytest.raises(AwsError, match=r"No updates are to be performed\."):
        await bench.update(template(A=thing()))


async def test_a_custom_named_resource_cannot_be_replaced(bench: Bench) -> None:
    await bench.create(template(A=thing(Name="n")))
    assert await bench.update(template(A=thing(Name="n", Kind="k"))) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("Rename n and update the stack again." in event for event in bench.events())


async def test_a_stack_is_deleted_in_reverse_order_and_waits_for_what_is_in_use(
    bench: Bench,
) -> None:
    await bench.create(template(A=thing(), B=thing(Label={"Ref": "A"})))
    bench.shelf.busy = {"a-1"}
    arn = bench.call("DescribeStacks", StackName="site")["Stacks"][0]["StackId"]
    bench.call("DeleteStack", StackName="site")
    await bench.settle()
    assert bench.status() == "DELETE_IN_PROGRESS"
    assert bench.shelf.log[2:] == ["-b-2"]
    bench.shelf.busy = set()
    await bench.settle()
    assert bench.status(arn) == "DELETE_COMPLETE"
    with pytest.raises(AwsError, match="Stack with id site does not exist"):
        bench.status()


async def test_a_deletion_that_stays_refused_fails_in_time_and_may_retain(bench: Bench) -> None:
    await bench.create(template(A=thing(), B=thing(Label={"Ref": "A"})))
    bench.shelf.busy = {"b-2"}
    bench.call("DeleteStack", StackName="site")
    await bench.settle()
    bench.clock.at += 700
    await bench.settle()
    assert bench.status() == "DELETE_FAILED"
    assert bench.events()[-1] == (
        "site DELETE_FAILED The following resource(s) failed to delete: [B]. "
    )
    bench.call("DeleteStack", StackName="site", RetainResources=["B"])
    await bench.settle()
    assert list(bench.shelf.things) == ["b-2"]


async def test_retained_resources_are_skipped(bench: Bench) -> None:
    await bench.create(template(A=thing(DeletionPolicy="Retain"), B=thing()))
    bench.call("DeleteStack", StackName="site")
    await bench.settle()
    assert list(bench.shelf.things) == ["a-1"]


async def test_a_stack_that_takes_too_long_is_rolled_back(bench: Bench) -> None:
    bench.shelf.unstable = {"A"}
    await bench.create(template(A=thing()), TimeoutInMinutes=1)
    assert bench.status() == "CREATE_IN_PROGRESS"
    bench.clock.at += 61
    await bench.settle()
    assert bench.status() == "ROLLBACK_COMPLETE"


async def test_stack_tags_reach_the_resources_and_count_as_change(bench: Bench) -> None:
    await bench.create(template(A=thing()), Tags=[{"Key": "k", "Value": "1"}])
    assert bench.shelf.things["a-1"]["Tags"] == [{"Key": "k", "Value": "1"}]
    await bench.update(template(A=thing()), Tags=[{"Key": "k", "Value": "2"}])
    assert bench.shelf.things["a-1"]["Tags"] == [{"Key": "k", "Value": "2"}]


async def test_a_change_set_shows_the_changes_and_executes_them(bench: Bench) -> None:
    await bench.create(template(A=thing(), B=thing(Label={"Ref": "A"}), C=thing()))
    wish = template(A=thing(Kind="k"), B=thing(Label={"Ref": "A"}), D=thing())
    bench.call(
        "CreateChangeSet", StackName="site", ChangeSetName="cs", TemplateBody=json.dumps(wish)
    )
    shown = bench.call("DescribeChangeSet", StackName="site", ChangeSetName="cs")
    assert (shown["Status"], shown["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    changes = [change["ResourceChange"] for change in shown["Changes"]]
    assert [(c["Action"], c["LogicalResourceId"], c.get("Replacement")) for c in changes] == [
        ("Modify", "A", "True"),
        ("Modify", "B", "False"),
        ("Add", "D", None),
        ("Remove", "C", None),
    ]
    assert changes[1]["Details"][0]["CausingEntity"] == "A"
    bench.call("ExecuteChangeSet", StackName="site", ChangeSetName="cs")
    await bench.settle()
    assert bench.status() == "UPDATE_COMPLETE"
    shown = bench.call("DescribeChangeSet", StackName="site", ChangeSetName="cs")
    assert shown["ExecutionStatus"] == "EXECUTE_COMPLETE"


async def test_an_empty_change_set_has_failed_and_cannot_be_executed(bench: Bench) -> None:
    await bench.create(template(A=thing()))
    bench.call(
        "CreateChangeSet",
        StackName="site",
        ChangeSetName="cs",
        TemplateBody=json.dumps(template(A=thing())),
    )
    shown = bench.call("DescribeChangeSet", StackName="site", ChangeSetName="cs")
    assert shown["Status"] == "FAILED"
    assert "didn't contain changes" in shown["StatusReason"]
    with pytest.raises(AwsError, match=r"cannot be executed in its current status of \[FAILED\]"):
        bench.call("ExecuteChangeSet", StackName="site", ChangeSetName="cs")


async def test_a_stack_may_be_created_by_a_change_set(bench: Bench) -> None:
    bench.call(
        "CreateChangeSet",
        StackName="site",
        ChangeSetName="cs",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(template(A=thing())),
    )
    assert bench.status() == "REVIEW_IN_PROGRESS"
    bench.call("ExecuteChangeSet", StackName="site", ChangeSetName="cs")
    await bench.settle()
    assert bench.status() == "CREATE_COMPLETE"
    assert bench.events()[:2] == [
        "site REVIEW_IN_PROGRESS User Initiated",
        "site CREATE_IN_PROGRESS User Initiated",
    ]


async def test_an_export_in_use_cannot_be_deleted(bench: Bench) -> None:
    wish = template(A=thing())
    wish["Outputs"] = {"Id": {"Value": {"Ref": "A"}, "Export": {"Name": "the-id"}}}
    await bench.create(wish)
    user = template(B=thing(Label={"Fn::ImportValue": "the-id"}))
    bench.call("CreateStack", StackName="user", TemplateBody=json.dumps(user))
    await bench.settle()
    assert bench.shelf.things["b-2"]["Label"] == "a-1"
    assert bench.call("ListImports", ExportName="the-id")["Imports"] == ["user"]
    with pytest.raises(AwsError, match="Cannot delete export the-id as it is in use by user"):
        bench.call("DeleteStack", StackName="site")


async def test_every_crash_leaves_a_stack_that_converges(bench: Bench, tmp_path: Any) -> None:
    """Each step is one transaction, so a new process goes on from any of them."""
    wish = template(A=thing(), B=thing(Label={"Ref": "A"}), C=thing(Label={"Ref": "B"}))
    bench.call("CreateStack", StackName="site", TemplateBody=json.dumps(wish))
    arn = bench.call("DescribeStacks", StackName="site")["Stacks"][0]["StackId"]
    for _ in range(10):
        invoke(bench.store, "cloudformation", "_AdvanceStack", {"StackId": arn})
    assert bench.status() == "CREATE_COMPLETE"
    assert bench.shelf.log == ["+a-1", "+b-2", "+c-3"]


async def test_an_update_without_rollback_is_mended_by_the_next_update(bench: Bench) -> None:
    await bench.create(template(A=thing()))
    bench.shelf.refusing = {"B"}
    bad = template(A=thing(2), B=thing(DependsOn="A"))
    assert await bench.update(bad, DisableRollback=True) == "UPDATE_FAILED"
    bench.shelf.refusing = set()
    assert await bench.update(bad) == "UPDATE_COMPLETE"
    assert bench.shelf.things == {"a-1": {"Size": 2}, "b-2": {"Size": 1}}


async def test_an_update_that_is_cancelled_goes_back(bench: Bench) -> None:
    await bench.create(template(A=thing()))
    bench.shelf.unstable = {"A"}
    assert await bench.update(template(A=thing(2))) == "UPDATE_IN_PROGRESS"
    bench.call("CancelUpdateStack", StackName="site")
    bench.shelf.unstable = set()
    await bench.settle()
    assert bench.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert bench.shelf.things == {"a-1": {"Size": 1}}
    assert "A UPDATE_FAILED Resource update cancelled" in bench.events()


async def test_a_rollback_that_fails_may_be_continued(bench: Bench) -> None:
    await bench.create(template(A=thing(), C=thing()))
    bench.shelf.broken = {"A"}
    assert await bench.update(template(A=thing(2), C=thing())) == "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(AwsError, match="UPDATE_ROLLBACK_FAILED state and can not be updated"):
        await bench.update(template(A=thing(3)))
    bench.shelf.broken = set()
    bench.call("ContinueUpdateRollback", StackName="site")
    await bench.settle()
    assert bench.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert bench.shelf.things["a-1"] == {"Size": 1}


async def test_a_change_set_tells_property_faults_before_anything_is_made(bench: Bench) -> None:
    bench.call(
        "CreateChangeSet",
        StackName="site",
        ChangeSetName="cs",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(template(A=thing(Colour="red"))),
    )
    shown = bench.call("DescribeChangeSet", StackName="site", ChangeSetName="cs")
    assert shown["Status"] == "FAILED"
    assert "extraneous key [Colour] is not permitted" in shown["StatusReason"]
    assert not bench.shelf.things


async def test_a_stack_deleted_while_it_is_made_leaves_nothing(bench: Bench) -> None:
    bench.shelf.unstable = {"A"}
    await bench.create(template(A=thing(), B=thing(DependsOn="A")))
    bench.call("DeleteStack", StackName="site")
    await bench.settle()
    assert not bench.shelf.things


async def test_no_echo_parameters_are_masked_and_previous_values_are_kept(bench: Bench) -> None:
    wish = template(A=thing({"Ref": "Secret"}))
    wish["Parameters"] = {"Secret": {"Type": "String", "NoEcho": True}}
    secret = {"ParameterKey": "Secret", "ParameterValue": "hush"}
    await bench.create(wish, Parameters=[secret])
    stack = bench.call("DescribeStacks", StackName="site")["Stacks"][0]
    assert stack["Parameters"] == [{"ParameterKey": "Secret", "ParameterValue": "****"}]
    wish["Resources"]["A"]["Properties"]["Label"] = "x"
    kept = {"ParameterKey": "Secret", "UsePreviousValue": True}
    await bench.update(wish, Parameters=[kept])
    assert bench.shelf.things["a-1"] == {"Size": "hush", "Label": "x"}
    events = bench.call("DescribeStackEvents", StackName="site")["StackEvents"]
    assert "hush" not in json.dumps(events)


def test_protection_holds_a_deletion_back(bench: Bench) -> None:
    bench.call(
        "CreateStack",
        StackName="site",
        TemplateBody=json.dumps(template(A=thing())),
        EnableTerminationProtection=True,
    )
    with pytest.raises(AwsError, match="while TerminationProtection is enabled"):
        bench.call("DeleteStack", StackName="site")


def test_a_taken_name_is_refused_and_the_same_token_answered_again(bench: Bench) -> None:
    body = json.dumps(template(A=thing()))
    first = bench.call("CreateStack", StackName="site", TemplateBody=body, ClientRequestToken="t")
    again = bench.call("CreateStack", StackName="site", TemplateBody=body, ClientRequestToken="t")
    assert first == again
    with pytest.raises(AwsError, match=r"Stack \[site\] already exists"):
        bench.call("CreateStack", StackName="site", TemplateBody=body)
