"""Where on earth the simulated internet's addresses are, and how far it is to AWS's Regions.

Each place has a network of its own; whatever else is on this internet is in Tokyo, and an address
from elsewhere is nowhere (Route 53: "queries from IP addresses that aren't mapped"). Latency is
taken for distance on the globe, which is what it mostly is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from math import asin, cos, radians, sin, sqrt

EARTH_KM = 6371.0


@dataclass(frozen=True, slots=True)
class Place:
    """A town with the codes that geolocation routing knows it by.

    ``client`` is a host there, the address that ``hiyoko run --from`` connects from.
    """

    name: str
    region: str
    continent: str
    country: str
    subdivision: str
    latitude: float
    longitude: float
    network: IPv4Network

    @property
    def client(self) -> IPv4Address:
        """The client's address."""
        return self.network[100]


def _place(
    number: int, name: str, region: str, codes: str, latitude: float, longitude: float
) -> Place:
    continent, country, subdivision = (*codes.split("-"), "")[:3]
    network = IPv4Network((int(IPv4Address("198.18.128.0")) + number * 256, 24))
    return Place(name, region, continent, country, subdivision, latitude, longitude, network)


PLACES: tuple[Place, ...] = (
    _place(0, "tokyo", "ap-northeast-1", "AS-JP", 35.7, 139.7),
    _place(1, "osaka", "ap-northeast-3", "AS-JP", 34.7, 135.5),
    _place(2, "virginia", "us-east-1", "NA-US-VA", 38.9, -77.5),
    _place(3, "ohio", "us-east-2", "NA-US-OH", 40.0, -83.0),
    _place(4, "california", "us-west-1", "NA-US-CA", 37.4, -121.9),
    _place(5, "oregon", "us-west-2", "NA-US-OR", 45.8, -119.7),
    _place(6, "montreal", "ca-central-1", "NA-CA", 45.5, -73.6),
    _place(7, "saopaulo", "sa-east-1", "SA-BR", -23.5, -46.6),
    _place(8, "dublin", "eu-west-1", "EU-IE", 53.3, -6.3),
    _place(9, "london", "eu-west-2", "EU-GB", 51.5, -0.1),
    _place(10, "paris", "eu-west-3", "EU-FR", 48.9, 2.4),
    _place(11, "frankfurt", "eu-central-1", "EU-DE", 50.1, 8.7),
    _place(12, "stockholm", "eu-north-1", "EU-SE", 59.3, 18.1),
    _place(13, "capetown", "af-south-1", "AF-ZA", -33.9, 18.4),
    _place(14, "bahrain", "me-south-1", "AS-BH", 26.1, 50.6),
    _place(15, "mumbai", "ap-south-1", "AS-IN", 19.1, 72.9),
    _place(16, "singapore", "ap-southeast-1", "AS-SG", 1.4, 103.8),
    _place(17, "jakarta", "ap-southeast-3", "AS-ID", -6.2, 106.8),
    _place(18, "hongkong", "ap-east-1", "AS-HK", 22.3, 114.2),
    _place(19, "seoul", "ap-northeast-2", "AS-KR", 37.6, 127.0),
    _place(20, "sydney", "ap-southeast-2", "OC-AU", -33.9, 151.2),
)

HOME = PLACES[0]
_INTERNET = IPv4Network("198.18.0.0/15")
_BY_NAME = {place.name: place for place in PLACES}
_BY_REGION = {place.region: place for place in PLACES}
_BY_NETWORK = {int(place.network.network_address) >> 8: place for place in PLACES}

REGION_TOWNS = {
    "ap-southeast-4": (-37.8, 145.0),
    "ap-southeast-5": (3.1, 101.7),
    "ap-southeast-6": (-36.8, 174.8),
    "ap-southeast-7": (13.8, 100.5),
    "ap-south-2": (17.4, 78.5),
    "ap-east-2": (25.0, 121.5),
    "ca-west-1": (51.0, -114.1),
    "mx-central-1": (20.6, -100.4),
    "eu-central-2": (47.4, 8.5),
    "eu-south-1": (45.5, 9.2),
    "eu-south-2": (41.6, -0.9),
    "eusc-de-east-1": (52.4, 13.1),
    "il-central-1": (32.1, 34.8),
    "me-central-1": (24.5, 54.4),
    "cn-north-1": (39.9, 116.4),
    "cn-northwest-1": (37.5, 105.2),
    "us-gov-east-1": (40.0, -83.0),
    "us-gov-west-1": (45.8, -119.7),
} | {place.region: (place.latitude, place.longitude) for place in PLACES}
"""Where each Region is."""


def find_place(name: str) -> Place | None:
    """The place of this name."""
    return _BY_NAME.get(name)


def place_of_region(region: str) -> Place:
    """The place that a Region's own hosts are in."""
    return _BY_REGION.get(region, HOME)


def locate(address: IPv4Address | IPv6Address) -> Place | None:
    """Where an address is; None for one that is nowhere on this internet."""
    if not isinstance(address, IPv4Address) or address not in _INTERNET:
        return None
    return _BY_NETWORK.get(int(address) >> 8, HOME)


def distance_km(place: Place, region: str) -> float:
    """How far it is from a place to a Region."""
    return globe_km(place, *REGION_TOWNS[region])


@cache
def globe_km(place: Place, latitude: float, longitude: float) -> float:
    """How far it is from a place to a point, over the globe."""
    north, south = radians(place.latitude), radians(latitude)
    half = (
        sin((north - south) / 2) ** 2
        + cos(north) * cos(south) * sin(radians(place.longitude - longitude) / 2) ** 2
    )
    return 2 * EARTH_KM * asin(sqrt(half))
