"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# An example's time says how loaded the machine is, nothing of the code.
settings.register_profile(
    "hiyoko",
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("hiyoko")
