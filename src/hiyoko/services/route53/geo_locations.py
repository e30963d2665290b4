"""The places that geolocation routing knows: ListGeoLocations and GetGeoLocation.

Countries are ISO 3166's without those that no address is known of (BV, CX, EH, HM); of the United
States also each state.
https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListGeoLocations.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.route53 import errors
from hiyoko.services.route53.pages import page_size

CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}
DEFAULT = "*"
_COUNTRIES = """
AD Andorra
AE United Arab Emirates
AF Afghanistan
AG Antigua and Barbuda
AI Anguilla
AL Albania
AM Armenia
AO Angola
AQ Antarctica
AR Argentina
AS American Samoa
AT Austria
AU Australia
AW Aruba
AX Åland Islands
AZ Azerbaijan
BA Bosnia and Herzegovina
BB Barbados
BD Bangladesh
BE Belgium
BF Burkina Faso
BG Bulgaria
BH Bahrain
BI Burundi
BJ Benin
BL Saint Barthélemy
BM Bermuda
BN Brunei
BO Bolivia
BQ Bonaire, Sint Eustatius and Saba
BR Brazil
BS Bahamas
BT Bhutan
BW Botswana
BY Belarus
BZ Belize
CA Canada
CC Cocos (Keeling) Islands
CD Congo, Democratic Republic of the
CF Central African Republic
CG Congo
CH Switzerland
CI Côte d'Ivoire
CK Cook Islands
CL Chile
CM Cameroon
CN China
CO Colombia
CR Costa Rica
CU Cuba
CV Cape Verde
CW Curaçao
CY Cyprus
CZ Czech Republic
DE Germany
DJ Djibouti
DK Denmark
DM Dominica
DO Dominican Republic
DZ Algeria
EC Ecuador
EE Estonia
EG Egypt
ER Eritrea
ES Spain
ET Ethiopia
FI Finland
FJ Fiji
FK Falkland Islands
FM Micronesia
FO Faroe Islands
FR France
GA Gabon
GB United Kingdom
GD Grenada
GE Georgia
GF French Guiana
GG Guernsey
GH Ghana
GI Gibraltar
GL Greenland
GM Gambia
GN Guinea
GP Guadeloupe
GQ Equatorial Guinea
GR Greece
GS South Georgia and the South Sandwich Islands
GT Guatemala
GU Guam
GW Guinea-Bissau
GY Guyana
HK Hong Kong
HN Honduras
HR Croatia
HT Haiti
HU Hungary
ID Indonesia
IE Ireland
IL Israel
IM Isle of Man
IN India
IO British Indian Ocean Territory
IQ Iraq
IR Iran
IS Iceland
IT Italy
JE Jersey
JM Jamaica
JO Jordan
JP Japan
KE Kenya
KG Kyrgyzstan
KH Cambodia
KI Kiribati
KM Comoros
KN Saint Kitts and Nevis
KP North Korea
KR South Korea
KW Kuwait
KY Cayman Islands
KZ Kazakhstan
LA Laos
LB Lebanon
LC Saint Lucia
LI Liechtenstein
LK Sri Lanka
LR Liberia
LS Lesotho
LT Lithuania
LU Luxembourg
LV Latvia
LY Libya
MA Morocco
MC Monaco
MD Moldova
ME Montenegro
MF Saint Martin
MG Madagascar
MH Marshall Islands
MK North Macedonia
ML Mali
MM Myanmar
MN Mongolia
MO Macao
MP Northern Mariana Islands
MQ Martinique
MR Mauritania
MS Montserrat
MT Malta
MU Mauritius
MV Maldives
MW Malawi
MX Mexico
MY Malaysia
MZ Mozambique
NA Namibia
NC New Caledonia
NE Niger
NF Norfolk Island
NG Nigeria
NI Nicaragua
NL Netherlands
NO Norway
NP Nepal
NR Nauru
NU Niue
NZ New Zealand
OM Oman
PA Panama
PE Peru
PF French Polynesia
PG Papua New Guinea
PH Philippines
PK Pakistan
PL Poland
PM Saint Pierre and Miquelon
PN Pitcairn
PR Puerto Rico
PS Palestine
PT Portugal
PW Palau
PY Paraguay
QA Qatar
RE Réunion
RO Romania
RS Serbia
RU Russia
RW Rwanda
SA Saudi Arabia
SB Solomon Islands
SC Seychelles
SD Sudan
SE Sweden
SG Singapore
SH Saint Helena
SI Slovenia
SJ Svalbard and Jan Mayen
SK Slovakia
SL Sierra Leone
SM San Marino
SN Senegal
SO Somalia
SR Suriname
SS South Sudan
ST Sao Tome and Principe
SV El Salvador
SX Sint Maarten
SY Syria
SZ Eswatini
TC Turks and Caicos Islands
TD Chad
TF French Southern Territories
TG Togo
TH Thailand
TJ Tajikistan
TK Tokelau
TL Timor-Leste
TM Turkmenistan
TN Tunisia
TO Tonga
TR Turkey
TT Trinidad and Tobago
TV Tuvalu
TW Taiwan
TZ Tanzania
UA Ukraine
UG Uganda
UM United States Minor Outlying Islands
US United States
UY Uruguay
UZ Uzbekistan
VA Holy See
VC Saint Vincent and the Grenadines
VE Venezuela
VG Virgin Islands, British
VI Virgin Islands, U.S.
VN Vietnam
VU Vanuatu
WF Wallis and Futuna
WS Samoa
XK Kosovo
YE Yemen
YT Mayotte
ZA South Africa
ZM Zambia
ZW Zimbabwe
"""
_STATES = """
AK Alaska
AL Alabama
AR Arkansas
AZ Arizona
CA California
CO Colorado
CT Connecticut
DC District of Columbia
DE Delaware
FL Florida
GA Georgia
HI Hawaii
IA Iowa
ID Idaho
IL Illinois
IN Indiana
KS Kansas
KY Kentucky
LA Louisiana
MA Massachusetts
MD Maryland
ME Maine
MI Michigan
MN Minnesota
MO Missouri
MS Mississippi
MT Montana
NC North Carolina
ND North Dakota
NE Nebraska
NH New Hampshire
NJ New Jersey
NM New Mexico
NV Nevada
NY New York
OH Ohio
OK Oklahoma
OR Oregon
PA Pennsylvania
RI Rhode Island
SC South Carolina
SD South Dakota
TN Tennessee
TX Texas
UT Utah
VA Virginia
VT Vermont
WA Washington
WI Wisconsin
WV West Virginia
WY Wyoming
"""


def _table(text: str) -> dict[str, str]:
    return {line[:2]: line[3:] for line in text.strip().splitlines()}


COUNTRIES = {DEFAULT: "Default"} | _table(_COUNTRIES)
SUBDIVISIONS = {"US": _table(_STATES)}
Place = tuple[str, str, str]
"""The codes of a continent, a country and a subdivision; empty where there is none."""


def places() -> list[Place]:
    """All of them in AWS's order: countries, each with its subdivisions behind it; continents."""
    found: list[Place] = []
    for country in sorted(COUNTRIES):
        found.append(("", country, ""))
        found += [("", country, code) for code in sorted(SUBDIVISIONS.get(country, ()))]
    return found + [(continent, "", "") for continent in sorted(CONTINENTS)]


@operation("ListGeoLocations")
def list_geo_locations(call: Call, request: Request) -> Response:
    """A page of places, from the named one on."""
    size, found = page_size(request), places()
    start = _asked(request, "Start")
    if any(start):
        found = [place for place in found if _order(place) >= _order(start)]
    response: dict[str, Any] = {
        "GeoLocationDetailsList": [_details(place) for place in found[:size]],
        "IsTruncated": len(found) > size,
        "MaxItems": str(size),
    }
    if len(found) > size:
        names = ("NextContinentCode", "NextCountryCode", "NextSubdivisionCode")
        response |= {name: code for name, code in zip(names, found[size], strict=True) if code}
    return response


@operation("GetGeoLocation")
def get_geo_location(call: Call, request: Request) -> Response:
    """One place; the default (``*``) where none is named. Raises NoSuchGeoLocation."""
    place = _asked(request, "")
    if not any(place):
        place = ("", DEFAULT, "")
    if place not in places():
        raise errors.no_such_geo_location()
    return {"GeoLocationDetails": _details(place)}


def _asked(request: Request, prefix: str) -> Place:
    continent, country, subdivision = (
        request.get(f"{prefix}{name}Code") or "" for name in ("Continent", "Country", "Subdivision")
    )
    if subdivision and not country:
        raise errors.invalid_input("A subdivision needs its country.")
    if continent and country:
        raise errors.invalid_input("Expected a continent or a country, not both.")
    return continent, country, subdivision


def _order(place: Place) -> tuple[bool, Place]:
    return place[0] != "", place


def _details(place: Place) -> dict[str, str]:
    continent, country, subdivision = place
    if continent:
        return {"ContinentCode": continent, "ContinentName": CONTINENTS[continent]}
    shown = {"CountryCode": country, "CountryName": COUNTRIES[country]}
    if subdivision:
        shown["SubdivisionCode"] = subdivision
        shown["SubdivisionName"] = SUBDIVISIONS[country][subdivision]
    return shown
