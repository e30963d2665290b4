from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import dns.name
import dns.rcode
import dns.rdatatype

from hiyoko.blueprint.resolvers import VpcResolver
from hiyoko.plane.dns.recursive import provided
from hiyoko.plane.dns.reply import Reply

TOKYO = VpcResolver(
    "vpc-1", IPv4Address("10.0.0.2"), "ap-northeast-1", (IPv4Network("10.0.0.0/16"),)
)
VIRGINIA = VpcResolver("vpc-2", IPv4Address("10.0.0.2"), "us-east-1")


def ask(vpc: VpcResolver, name: str, kind: str = "A") -> Reply | None:
    return provided(vpc, dns.name.from_text(name), dns.rdatatype.from_text(kind))


def value(reply: Reply | None) -> str:
    assert reply is not None
    return str(reply.answer[0].data[0])


def test_addresses_have_the_names_that_the_region_gives_them() -> None:
    assert value(ask(TOKYO, "ip-10-0-3-4.ap-northeast-1.compute.internal.")) == "10.0.3.4"
    assert value(ask(VIRGINIA, "ip-10-0-3-4.ec2.internal.")) == "10.0.3.4"


def test_the_reverse_name_gives_it_back_for_the_vpcs_own_addresses() -> None:
    host = "ip-10-0-3-4.ap-northeast-1.compute.internal."
    assert value(ask(TOKYO, "4.3.0.10.in-addr.arpa.", "PTR")) == host
    assert ask(TOKYO, "1.2.0.192.in-addr.arpa.", "PTR") is None


def test_other_names_of_the_domain_do_not_exist_and_other_domains_are_not_ours() -> None:
    wrong = ask(TOKYO, "ip-10-0-3-400.ap-northeast-1.compute.internal.")
    assert wrong is not None
    assert wrong.rcode == dns.rcode.NXDOMAIN
    other_type = ask(TOKYO, "ip-10-0-3-4.ap-northeast-1.compute.internal.", "AAAA")
    assert other_type is not None
    assert (other_type.rcode, other_type.answer) == (dns.rcode.NOERROR, [])
    assert ask(TOKYO, "ip-10-0-3-4.ec2.internal.") is None
