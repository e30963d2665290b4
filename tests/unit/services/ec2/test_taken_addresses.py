"""Addresses as bits are what a walk over them all would find."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.ec2_cloud import Ec2

from hiyoko.api import AwsError
from hiyoko.services.ec2.rows import INTERFACES
from hiyoko.services.ec2.taken_addresses import TakenAddresses, bits_of, lowest_free

SUBNETS = [IPv4Network(one) for one in ("10.0.0.0/28", "10.0.255.240/28", "10.0.128.0/17")]


@given(st.sampled_from(SUBNETS), st.sets(st.integers(4, 14)))
def test_the_lowest_free_address_is_the_first_that_nobody_has(
    subnet: IPv4Network, taken: set[int]
) -> None:
    base, usable = int(subnet.network_address), range(4, subnet.num_addresses - 1)
    bits = bits_of(str(IPv4Address(base + offset)) for offset in taken)
    first = next((offset for offset in usable if offset not in taken), None)
    assert lowest_free(subnet, bits) == (None if first is None else base + first)


def test_an_address_is_given_again_when_its_interface_is_gone_and_no_sooner() -> None:
    ec2 = Ec2()
    subnet = ec2.subnet(ec2.vpc(), "10.0.0.0/28")

    def free() -> int:
        count: int = ec2("DescribeSubnets", SubnetIds=[subnet])["Subnets"][0][
            "AvailableIpAddressCount"
        ]
        return count

    made = [ec2.interface(subnet) for _ in range(11)]
    assert [one["PrivateIpAddress"] for one in made] == [f"10.0.0.{n}" for n in range(4, 15)]
    assert free() == 0
    with pytest.raises(AwsError, match="enough free addresses"):
        ec2.interface(subnet)
    ec2("_DeleteManagedInterface", NetworkInterfaceId=made[3]["NetworkInterfaceId"])
    assert free() == 1
    assert ec2.interface(subnet)["PrivateIpAddress"] == "10.0.0.7"


def test_an_interface_that_is_another_row_now_keeps_its_address_taken() -> None:
    ec2 = Ec2()
    subnet = ec2.subnet(ec2.vpc(), "10.0.0.0/28")
    ec2.interface(subnet)
    with ec2.store.transaction() as tx:
        (row,) = INTERFACES.table.list(tx)
        before = INTERFACES.table.derived(tx, TakenAddresses).of(subnet)
        INTERFACES.table.put(tx, replace(row, description="another"))
        assert INTERFACES.table.derived(tx, TakenAddresses).of(subnet) == before == 1 << 4
