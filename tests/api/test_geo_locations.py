"""The places of geolocation routing.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListGeoLocations.html
"""

from __future__ import annotations

import pytest
from tests.api.dns_cloud import Cloud, record

from hiyoko.api import AwsError
from hiyoko.blueprint.places import PLACES
from hiyoko.services.route53.geo_locations import places


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def test_all_are_listed_in_pages_states_behind_their_country_continents_last(cloud: Cloud) -> None:
    page = cloud("route53", "ListGeoLocations")
    found = list(page["GeoLocationDetailsList"])
    while page["IsTruncated"]:
        names = ("ContinentCode", "CountryCode", "SubdivisionCode")
        start = {f"Start{n}": page[f"Next{n}"] for n in names if f"Next{n}" in page}
        page = cloud("route53", "ListGeoLocations", **start)
        found += page["GeoLocationDetailsList"]
    assert len(found) == len(places()) == len({tuple(one.items()) for one in found})
    assert found[0] == {"CountryCode": "*", "CountryName": "Default"}
    assert found[-1] == {"ContinentCode": "SA", "ContinentName": "South America"}
    country = found.index({"CountryCode": "US", "CountryName": "United States"})
    assert (found[country + 1]["SubdivisionName"], found[country + 51]["SubdivisionName"]) == (
        "Alaska",
        "Wyoming",
    )


def test_one_place_or_the_default_is_shown_and_none_that_is_not_known(cloud: Cloud) -> None:
    def shown(**codes: str) -> dict[str, str]:
        return dict(cloud("route53", "GetGeoLocation", **codes)["GeoLocationDetails"])

    assert shown(CountryCode="JP") == {"CountryCode": "JP", "CountryName": "Japan"}
    assert shown(CountryCode="US", SubdivisionCode="OR")["SubdivisionName"] == "Oregon"
    assert shown()["CountryCode"] == "*"
    for codes in ({"CountryCode": "CX"}, {"CountryCode": "JP", "SubdivisionCode": "13"}):
        with pytest.raises(AwsError, match="NoSuchGeoLocation"):
            shown(**codes)


def test_record_sets_take_no_other_place(cloud: Cloud) -> None:
    zone = cloud.zone()
    for place in (
        {"CountryCode": "CX"},
        {"CountryCode": "US", "SubdivisionCode": "ZZ"},
        {"ContinentCode": "XX"},
    ):
        wanted = record("g.example.com", "A", "192.0.2.1")
        wanted |= {"SetIdentifier": "g", "GeoLocation": place}
        with pytest.raises(AwsError, match="is not a valid"):
            cloud.change(zone, ("CREATE", wanted))


def test_every_place_of_this_internet_is_one_of_them() -> None:
    known = set(places())
    for place in PLACES:
        assert ("", place.country, place.subdivision) in known
        assert (place.continent, "", "") in known
