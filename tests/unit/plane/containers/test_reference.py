from __future__ import annotations

import pytest

from hiyoko.plane.containers.reference import parse_reference

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "host", "name", "version"),
    [
        ("nginx", "registry-1.docker.io", "docker.io/library/nginx", "latest"),
        ("nginx:1.25", "registry-1.docker.io", "docker.io/library/nginx", "1.25"),
        (
            "amazon/sample",
            "registry-1.docker.io",
            "docker.io/amazon/sample",
            "latest",
        ),
        ("docker.io/nginx", "registry-1.docker.io", "docker.io/library/nginx", "latest"),
        ("index.docker.io/library/nginx:x", "registry-1.docker.io", "docker.io/library/nginx", "x"),
        ("public.ecr.aws/nginx/nginx", "public.ecr.aws", "public.ecr.aws/nginx/nginx", "latest"),
        ("localhost:5000/a/b:c", "localhost:5000", "localhost:5000/a/b", "c"),
        (f"nginx@{DIGEST}", "registry-1.docker.io", "docker.io/library/nginx", DIGEST),
        (f"nginx:1@{DIGEST}", "registry-1.docker.io", "docker.io/library/nginx", DIGEST),
    ],
)
def test_a_name_means_what_docker_makes_of_it(
    text: str, host: str, name: str, version: str
) -> None:
    reference = parse_reference(text)
    assert (reference.host, reference.name, reference.version) == (host, name, version)


def test_an_ecr_name_tells_account_and_region() -> None:
    reference = parse_reference("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:1")
    assert reference.ecr == ("123456789012", "eu-west-1")
    assert str(reference) == "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:1"


@pytest.mark.parametrize("text", ["", "Nginx", "a:b:c", "a@sha256:1", "a//b", "-a", "a:"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid reference format"):
        parse_reference(text)
