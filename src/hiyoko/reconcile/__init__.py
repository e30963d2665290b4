"""The blueprint against what the world says of itself.

- ``loop``    wakes reconcilers after a commit, a timer or another's change; the one place that
              catches, logs and backs off
- ``report``  what one activation did: typed, kept for ``cloud status``, asserted on in tests

Upper reconcilers turn a wish into smaller wishes (``stacks``, ``ecs_services``); lower ones make
the blueprint real (``network``, ``balancers``, ``tasks``, ``zones``, ``certificates``,
``health_checks``). None is both.
A reconciler takes no input and keeps no memory: kill it at any line, start it again, it converges.
"""
