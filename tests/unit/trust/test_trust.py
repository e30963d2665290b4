"""``hiyoko trust`` with the real programs, on stores of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tests.api.bundles import Maker

from hiyoko.blueprint.certificates import Certificate
from hiyoko.cli.main import run
from hiyoko.plane.ca import CertificateFiles
from hiyoko.settings import Settings
from hiyoko.trust import NssStore, Store, SystemStore, anchor_for

pytestmark = pytest.mark.skipif(
    shutil.which("certutil") is None or not Path("/usr/sbin/update-ca-certificates").exists(),
    reason="needs libnss3-tools and ca-certificates: apt-get install them",
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(tmp_path_factory.mktemp("state"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a Firefox profile, and a system that trusts its company's CA."""
    home, root = tmp_path / "home", tmp_path / "root"
    profile = home / ".mozilla/firefox/abc.default"
    for path in (profile, root / "etc/ssl/certs", root / "usr/share/ca-certificates"):
        path.mkdir(parents=True)
    (root / "etc/ca-certificates.conf").write_text("# none\n")
    local = root / "usr/local/share/ca-certificates"
    local.mkdir(parents=True)
    (local / "company.crt").write_bytes(Maker().ca("Company").pem)
    subprocess.run(["certutil", "-N", "-d", f"sql:{profile}", "--empty-password"], check=True)
    monkeypatch.setenv("HOME", str(home))
    return root


def company(machine: Path) -> Path:
    return machine / "usr/local/share/ca-certificates/company.crt"


def hiyoko(settings: Settings, machine: Path, *argv: str) -> int:
    state = ["--state-dir", str(settings.state_dir)]
    return run([*state, "trust", "--root-dir", str(machine), *argv])


def verified(bundle: Path, leaf: Path, name: str) -> bool:
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name,
         "-CAfile", str(bundle), "-untrusted", str(leaf), str(leaf)],
        capture_output=True,
        check=False,
    )  # fmt: skip
    return done.returncode == 0


async def issued(settings: Settings, domain: str) -> Path:
    """The bundle of a certificate: what a server sends, leaf first."""
    arn = f"x/{domain}"
    wanted = Certificate(arn, domain, (domain, f"*.{domain}"), "EC_prime256v1", ())
    await CertificateFiles(settings).issue(wanted, time.time())
    return settings.ca_dir / "certs" / f"{domain}.pem"


async def test_it_goes_into_every_store_and_comes_out_again(
    settings: Settings, machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hiyoko(settings, machine, "--yes") == 0
    said = capsys.readouterr().out
    assert "can then pose as ANY site" in said
    name = anchor_for(settings, []).name
    home = machine.parent / "home"
    stores: list[Store] = [
        SystemStore(machine),
        NssStore("", home / ".pki/nssdb"),
        NssStore("", home / ".mozilla/firefox/abc.default"),
    ]
    assert [store.ours() for store in stores] == [[name]] * 3
    bundle = machine / "etc/ssl/certs/ca-certificates.crt"
    assert settings.trust_bundle.read_text() in bundle.read_text()
    assert hiyoko(settings, machine, "--yes") == 0  # a second time changes nothing
    assert [store.ours() for store in stores] == [[name]] * 3
    assert hiyoko(settings, machine, "--status") == 0
    assert capsys.readouterr().out.count(f"trusts {name}") == 3
    assert hiyoko(settings, machine, "--remove", "--yes") == 0
    assert [store.ours() for store in stores] == [[]] * 3
    assert bundle.read_text() == company(machine).read_text()
    assert not [path for path in bundle.parent.iterdir() if not path.exists()]  # no dead link
    assert hiyoko(settings, machine, "--remove") == 0  # nothing there, nothing to agree to


async def test_a_limited_root_trusts_its_domains_and_takes_the_place_of_the_other(
    settings: Settings, machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, other = await issued(settings, "my-project.jp"), await issued(settings, "bank.com")
    bundle = machine / "etc/ssl/certs/ca-certificates.crt"
    assert hiyoko(settings, machine, "--yes") == 0
    assert verified(bundle, ours, "www.my-project.jp")
    assert verified(bundle, other, "bank.com")
    assert hiyoko(settings, machine, "--only", "my-project.jp", "--yes") == 0
    assert "any site below my-project.jp" in capsys.readouterr().out
    assert verified(bundle, ours, "www.my-project.jp")
    assert not verified(bundle, other, "bank.com")
    assert SystemStore(machine).ours() == [anchor_for(settings, ["my-project.jp"]).name]
    nss = machine.parent / "home/.pki/nssdb"
    assert usable_by_nss(nss, ours)
    assert not usable_by_nss(nss, other)


def usable_by_nss(database: Path, bundle: Path) -> bool:
    """What a browser's library says of a server's certificate, with its intermediate imported."""
    parts = bundle.read_text().split("-----END CERTIFICATE-----\n")
    for name, part in (("leaf", parts[0]), ("intermediate", parts[1])):
        path = database / f"{name}.pem"
        path.write_text(f"{part}-----END CERTIFICATE-----\n")
        add = ["certutil", "-A", "-d", f"sql:{database}", "-n", name, "-t", ",,", "-i", str(path)]
        subprocess.run(add, check=True)
    verify = ["certutil", "-V", "-d", f"sql:{database}", "-n", "leaf", "-u", "V"]
    done = subprocess.run(verify, capture_output=True, check=False)
    for name in ("leaf", "intermediate"):
        subprocess.run(["certutil", "-D", "-d", f"sql:{database}", "-n", name], check=True)
    return done.returncode == 0


def test_nothing_is_touched_unless_somebody_agrees(
    settings: Settings, machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hiyoko(settings, machine) == 2
    assert "nothing was changed" in capsys.readouterr().err
    assert SystemStore(machine).ours() == []
    assert not (machine.parent / "home/.pki").exists()


@pytest.mark.parametrize("name", ["com", "a b", "-x.jp", "../../etc", "*"])
def test_what_is_no_domain_is_refused(settings: Settings, machine: Path, name: str) -> None:
    assert hiyoko(settings, machine, f"--only={name}", "--yes") == 2
    assert SystemStore(machine).ours() == []


def test_what_is_not_ours_stays(settings: Settings, machine: Path) -> None:
    assert hiyoko(settings, machine, "--yes") == 0
    assert hiyoko(settings, machine, "--remove", "--yes") == 0
    assert company(machine).exists()


def test_a_store_that_fails_does_not_keep_the_others_from_it(
    settings: Settings, machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = machine.parent / "home/.mozilla/firefox/abc.default/cert9.db"
    database.write_bytes(b"no database")
    assert hiyoko(settings, machine, "--yes") == 1
    assert "Firefox's store" in capsys.readouterr().err
    assert SystemStore(machine).ours()
