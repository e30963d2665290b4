from __future__ import annotations

import pytest

from hiyoko.services.ec2.zones import private_dns_name, public_dns_name, zones


@pytest.mark.parametrize(
    ("region", "first"),
    [
        ("ap-northeast-1", "apne1-az4"),
        ("us-east-1", "use1-az1"),
        ("eu-central-1", "euc1-az1"),
        ("ap-southeast-2", "apse2-az1"),
        ("sa-east-1", "sae1-az1"),
        ("us-gov-west-1", "usgw1-az1"),
    ],
)
def test_zone_ids_carry_the_regions_short_name(region: str, first: str) -> None:
    assert zones(region)[0].zone_id == first
    assert zones(region)[0].name == f"{region}a"


def test_us_east_1_has_names_of_its_own() -> None:
    assert private_dns_name("us-east-1", "10.0.0.12") == "ip-10-0-0-12.ec2.internal"
    assert public_dns_name("us-east-1", "1.2.3.4") == "ec2-1-2-3-4.compute-1.amazonaws.com"
    assert private_dns_name("eu-west-1", "10.0.0.12") == "ip-10-0-0-12.eu-west-1.compute.internal"


def test_a_region_of_an_unknown_form_has_zones_too() -> None:
    assert zones("mars")[0].name == "marsa"
