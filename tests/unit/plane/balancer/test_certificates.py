"""HAProxy's certificate lists and what it says of its certificates and its library."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.plane.tls_world import make

from hiyoko.plane.balancer.certificates import parse_loaded, read_certificate, swap_steps
from hiyoko.plane.balancer.paths import CertificateFile, Paths
from hiyoko.plane.balancer.sni import render_crt_list
from hiyoko.plane.balancer.tls_library import parse_tls_library
from hiyoko.plane.error import PlaneError

DEFAULT = CertificateFile("/d", "D", ("a.test",))


def test_the_default_certificate_comes_first_and_again_in_its_place() -> None:
    better = CertificateFile("/b", "B", ("a.test",), key_bits=4096)
    other = CertificateFile("/e", "E", ("e.test",), "EC", 256)
    assert render_crt_list([DEFAULT, better, other]).splitlines() == [
        "d !*",
        "e e.test",
        # Rivals for one name say what they are, so that a renewal changes the list.
        "# B",
        "b a.test",
        "# D",
        "d a.test",
    ]


def test_a_wildcard_leaves_exact_names_of_others_alone() -> None:
    wild = CertificateFile("/w", "W", ("*.a.test", "own.a.test"), "EC")
    exact = CertificateFile("/x", "X", ("x.a.test", "a.test", "y.x.a.test"))
    text = render_crt_list([DEFAULT, wild, exact])
    assert "w *.a.test own.a.test !x.a.test\n" in text


def test_a_certificate_without_a_name_is_the_default_one_only() -> None:
    assert render_crt_list([CertificateFile("/n", "N")]) == "n !*\n"


def test_a_bundle_says_what_choosing_asks(tmp_path: Path) -> None:
    path = tmp_path / "c.pem"
    made = make("ignored", names=["A.Test", "*.b.test"], kind="2048")
    path.write_text(made.pem + made.key_pem)
    read = read_certificate(path, 0.0)
    assert read.names == ("a.test", "*.b.test")
    assert (read.algorithm, read.key_bits, read.hash_bits) == ("RSA", 2048, 256)
    assert not read.expired
    assert read_certificate(path, read.not_after + 1).expired
    path.write_text(make("common.test").pem)
    assert read_certificate(path, 0.0).names == ("common.test",)
    for broken in ("", "x", made.pem[:99]):
        path.write_text(broken)
        with pytest.raises(PlaneError, match=r"read .*c\.pem"):
            read_certificate(path, 0.0)


def test_only_what_differs_is_swapped() -> None:
    paths = Paths({"arn": DEFAULT})
    assert swap_steps({}, paths, {("eni", "/d"): "old"}) == []
    assert swap_steps({}, paths, {("eni", "/d"): "D", ("eni", "/gone"): "G"}) == []


def test_what_haproxy_tells_of_loaded_certificates() -> None:
    said = (
        "Filename: /a b/c.pem\nStatus: Used\nSerial: 01\nSHA1 FingerPrint: AB12\nSubject: /CN=x\n"
        "\n\nFilename: /d.pem\nStatus: Used\nSHA1 FingerPrint: CD34\nSubject: /CN=y\n"
        "Chain Subject: /C=US/O=m, n/CN=one é\nChain Issuer: /CN=two\nChain Subject: /O=two\n\n"
    )
    assert parse_loaded(said) == {"/a b/c.pem": "AB12", "/d.pem": "CD34/one é/"}
    assert parse_loaded("Can't display the certificate: Not found\n") == {}


@pytest.mark.parametrize(
    ("said", "name", "hybrid", "fips"),
    [
        (
            "Running on OpenSSL version : OpenSSL 3.0.19 27 Jan 2026\n"
            "OpenSSL providers loaded : default\n",
            "OpenSSL 3.0.19", False, False,
        ),
        (
            "Running on SSL library version : OpenSSL 3.5.1 1 Jul 2025\n"
            "OpenSSL providers loaded : fips base\n",
            "OpenSSL 3.5.1", True, True,
        ),
        ("Running on SSL library version : AWS-LC 1.40\n", "AWS-LC 1.40", False, False),
        ("", "an unknown library", False, False),
    ],
)  # fmt: skip
def test_what_haproxy_tells_of_its_library(said: str, name: str, hybrid: bool, fips: bool) -> None:
    library = parse_tls_library("haproxy 1", said)
    assert (library.name, library.hybrid_groups, library.fips) == (name, hybrid, fips)
