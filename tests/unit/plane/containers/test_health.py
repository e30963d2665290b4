from __future__ import annotations

import pytest

from hiyoko.plane.containers.health import health_arguments, next_health


@pytest.mark.parametrize(
    ("before", "healthy", "lenient", "after"),
    [
        (("UNKNOWN", 0), True, False, ("HEALTHY", 0)),
        (("UNKNOWN", 0), False, True, ("UNKNOWN", 0)),
        (("UNKNOWN", 0), False, False, ("UNKNOWN", 1)),
        (("UNKNOWN", 2), False, False, ("UNHEALTHY", 3)),
        (("HEALTHY", 0), False, False, ("HEALTHY", 1)),
        (("HEALTHY", 2), False, True, ("UNHEALTHY", 3)),
        (("UNHEALTHY", 3), True, False, ("HEALTHY", 0)),
    ],
)
def test_health_settles_as_the_definition_says(
    before: tuple[str, int], healthy: bool, lenient: bool, after: tuple[str, int]
) -> None:
    assert next_health(*before, healthy=healthy, retries=3, lenient=lenient) == after


def test_a_shell_check_is_run_by_the_containers_shell() -> None:
    assert health_arguments(("CMD-SHELL", "a || b")) == ("/bin/sh", "-c", "a || b")
    assert health_arguments(("CMD", "a", "b")) == ("a", "b")
