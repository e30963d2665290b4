"""What is over is told of as before, and takes no memory."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import hiyoko.services.cloudformation
import hiyoko.services.ec2
import hiyoko.services.logs
import hiyoko.services.route53  # noqa: F401  registers the operations
from hiyoko.api import invoke
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.services.cloudformation.model import ChangeSet, Event, Stack, StackResource
from hiyoko.services.route53.seen import SERVED_SEEN, ServedSeen
from hiyoko.store.database import Store
from hiyoko.store.table import all_tables

SUBNETS = 16
SUBNET = """
  Subnet{0}:
    Type: AWS::EC2::Subnet
    Properties: {{VpcId: !Ref Vpc, CidrBlock: 10.0.{0}.0/24}}"""
TEMPLATE = """
Resources:
  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: my-project.jp}}
  Log: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /site}}
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
""" + "".join(SUBNET.format(number) for number in range(SUBNETS))
WARM_UP, ROUNDS = 6, 4
"""Until as many events and resources have been told as stay, and after that."""


async def one_round(store: Store) -> str:
    """A stack by a change set, and its end; its id."""

    def ask(operation: str, **request: Any) -> dict[str, Any]:
        return invoke(store, "cloudformation", operation, {"StackName": "site"} | request)

    ask("CreateChangeSet", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=TEMPLATE)
    ask("ExecuteChangeSet", ChangeSetName="c")
    await settle(store)
    stack = ask("DescribeStacks")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    ask("DescribeStackEvents")
    ask("DeleteStack")
    await settle(store)
    return str(stack["StackId"])


async def settle(store: Store) -> None:
    """Let the engine work, and name servers follow."""
    while (await StackReconciler(store).activate()).steps:
        with store.transaction() as tx:
            SERVED_SEEN.put(tx, ServedSeen("dns", tx.revision, float(tx.revision)))


def held(store: Store) -> tuple[Counter[str], Counter[str]]:
    """Rows by table that the store's images hold, and rows of stacks that anybody holds."""
    gc.collect()
    with store.reading() as tx:
        images = {table.name: tx.images.find(table.name) for table in all_tables()}
    told = (ChangeSet, Event, Stack, StackResource)
    return (
        Counter({name: len(image.entries) for name, image in images.items() if image is not None}),
        Counter(type(row).__name__ for row in gc.get_objects() if isinstance(row, told)),
    )


async def test_stacks_that_are_gone_are_told_of_and_held_no_more() -> None:
    store = Store.open(":memory:")
    ended = [await one_round(store) for _ in range(WARM_UP)]
    before = held(store)
    for _ in range(ROUNDS):
        ended.append(await one_round(store))
    assert held(store) == before
    for stack_id in ended:
        where = {"StackName": stack_id}
        events, resources = (
            invoke(store, "cloudformation", operation, where)[member]
            for operation, member in (
                ("DescribeStackEvents", "StackEvents"),
                ("DescribeStackResources", "StackResources"),
            )
        )
        assert events[0]["ResourceStatus"] == "DELETE_COMPLETE"
        assert len(resources) == SUBNETS + 3
    store.close()
