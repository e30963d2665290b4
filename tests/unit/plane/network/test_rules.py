from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from hiyoko.blueprint import example
from hiyoko.blueprint.network import (
    ANY_PROTOCOL,
    ICMP,
    TCP,
    UDP,
    GroupPeer,
    GroupRule,
    SecurityGroup,
    Vpc,
)
from hiyoko.plane.network.names import interface_link
from hiyoko.plane.network.rules import parts, render_changes, render_rules


def seen_of(vpc: Vpc) -> dict[str, str]:
    return {part.name: part.print for part in parts(vpc)}


def with_rule(rule: GroupRule) -> Vpc:
    vpc = example.example_vpc()
    group = SecurityGroup(example.TASK_GROUP, (rule,), ())
    return replace(vpc, groups=(vpc.groups[0], group))


ANYWHERE = example.EVERYWHERE
OFFICE = IPv4Network("203.0.113.0/24")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (GroupRule("r", TCP, 80, 80, ANYWHERE), "tcp dport 80 accept"),
        (GroupRule("r", TCP, 80, 90, OFFICE), "ip saddr 203.0.113.0/24 tcp dport 80-90 accept"),
        (GroupRule("r", UDP, 0, 65535, ANYWHERE), "meta l4proto udp accept"),
        (GroupRule("r", ANY_PROTOCOL, -1, -1, ANYWHERE), "accept"),
        (GroupRule("r", ICMP, 8, -1, ANYWHERE), "icmp type 8 accept"),
        (GroupRule("r", ICMP, 3, 4, ANYWHERE), "icmp type 3 icmp code 4 accept"),
        (GroupRule("r", ICMP, -1, -1, ANYWHERE), "meta l4proto icmp accept"),
        (GroupRule("r", 47, -1, -1, ANYWHERE), "meta l4proto 47 accept"),
        (
            GroupRule("r", TCP, 80, 80, GroupPeer(example.BALANCER_GROUP)),
            f"ip saddr @{example.BALANCER_GROUP} tcp dport 80 accept",
        ),
    ],
)
def test_a_rule_is_one_line_of_its_groups_chain(rule: GroupRule, text: str) -> None:
    assert f"add rule ip hiyoko {example.TASK_GROUP}-in {text}\n" in render_rules(with_rule(rule))


def test_a_rule_that_names_a_deleted_group_matches_nobody() -> None:
    vpc = with_rule(GroupRule("r", TCP, 80, 80, GroupPeer("sg-0ffffffffffffffff")))
    assert f"add rule ip hiyoko {example.TASK_GROUP}-in" not in render_rules(vpc)


def test_nothing_changes_when_the_kernel_holds_the_blueprint() -> None:
    vpc = example.example_vpc()
    assert render_changes(parts(vpc), seen_of(vpc)) == ("", ())


def test_one_changed_rule_rewrites_one_groups_chains() -> None:
    before, after = example.example_vpc(), with_rule(GroupRule("r", TCP, 8080, 8080, ANYWHERE))
    text, names = render_changes(parts(after), seen_of(before))
    assert names == (f"+rules/{example.TASK_GROUP}",)
    assert "eni-" not in text


def test_a_new_member_is_an_element_and_an_interface_of_its_own() -> None:
    newcomer = example.example_interface(9, example.PRIVATE_A, (example.TASK_GROUP,))
    before, after = example.example_vpc(), example.example_vpc((newcomer,))
    _, names = render_changes(parts(after), seen_of(before))
    assert names == (f"+members/{example.TASK_GROUP}", f"+eni/{newcomer.eni_id}")


def test_an_interface_that_has_gone_is_taken_out_by_the_keys_that_the_kernel_kept() -> None:
    before = example.example_vpc()
    after = replace(before, interfaces=(example.NAT_INTERFACE, example.TASK_A, example.TASK_C))
    text, names = render_changes(parts(after), seen_of(before))
    assert names == (f"+members/{example.BALANCER_GROUP}", f"-eni/{example.BALANCER.eni_id}")
    assert "delete element ip hiyoko private_of { 198.19.0.6 }\n" in text
    assert "delete element ip hiyoko public_of { 10.0.0.6 }\n" in text


def test_what_an_older_version_left_has_no_hardware_address_to_take_out() -> None:
    vpc = example.example_vpc()
    older = {
        name: print_.removesuffix(f";{example.TASK_A.mac}") for name, print_ in seen_of(vpc).items()
    }
    text, names = render_changes(parts(vpc), older)
    assert names == (f"+eni/{example.TASK_A.eni_id}",)
    link, mac = interface_link(example.TASK_A.eni_id), example.TASK_A.mac
    assert "delete element ip hiyoko sources" not in text
    element = f'sources {{ "{link}" . {mac} . {example.TASK_A.address} }}'
    assert f"add element ip hiyoko {element}" in text
    rest = tuple(each for each in vpc.interfaces if each != example.TASK_A)
    gone, _ = render_changes(parts(replace(vpc, interfaces=rest)), seen_of(vpc))
    assert f"delete element ip hiyoko {element}" in gone


def test_an_interface_without_groups_passes_both_gates_and_one_with_none_passes_neither() -> None:
    text = render_rules(example.example_vpc())
    assert 'gate_in { "e-00000a000005" : accept }' in text
    shut = example.example_interface(9, example.PRIVATE_A, ())
    text = render_rules(example.example_vpc((shut,)))
    assert f"add rule ip hiyoko {shut.eni_id}-in drop" in text
    assert f"add rule ip hiyoko {shut.eni_id}-in jump" not in text
