"""Session Manager's view of ECS Exec's sessions: TerminateSession and DescribeSessions.

Everything else of Systems Manager is a neighbour's (``neighbours/``); what is registered here is
answered here. Sessions are ECS's: ``services/ecs/execute_command.py`` gives them out, the gateway
has their streams. Refused by name: StartSession and ResumeSession, as no session here outlives its
connection.

- ``sessions``  the operations, and which sessions are open

https://docs.aws.amazon.com/systems-manager/latest/APIReference/
"""

from . import sessions  # noqa: F401
