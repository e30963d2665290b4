"""Agents as processes: started before their node's HAProxy asks them, adopted, stopped.

Each has a directory beside the nodes' ones: ``agent.json`` that it reads, also when it changes,
and ``agent.sock``, ``agent.pid`` and logs that it makes. It is known by the pid file and its
command line, as HAProxy is.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.blueprint.step import Step
from hiyoko.plane.balancer.guards import AGENTS
from hiyoko.plane.files import write_private
from hiyoko.plane.process import command_line
from hiyoko.plane.ready import end, spawn_ready

MODULE = "hiyoko.plane.balancer.agent"
CONFIG, PID_FILE, LOG = "agent.json", "agent.pid", "agent.log"
START_S = 20.0


@dataclass(frozen=True, slots=True)
class StartAgent(Step):
    """Write the agent's configuration, start it, and wait until it serves."""

    eni_id: str
    text: str = field(repr=False)

    def __str__(self) -> str:
        """The step in words."""
        return f"start the agent of {self.eni_id}"


@dataclass(frozen=True, slots=True)
class ConfigureAgent(Step):
    """Give a running agent its new configuration."""

    eni_id: str
    text: str = field(repr=False)

    def __str__(self) -> str:
        """The step in words."""
        return f"configure the agent of {self.eni_id}"


@dataclass(frozen=True, slots=True)
class StopAgent(Step):
    """End an agent that no rule asks any more."""

    eni_id: str

    def __str__(self) -> str:
        """The step in words."""
        return f"stop the agent of {self.eni_id}"


AgentStep = StartAgent | ConfigureAgent | StopAgent


@dataclass(frozen=True, slots=True)
class AgentObserved:
    """A directory of an agent: its pid while it runs, and the configuration that is there."""

    pid: int | None
    text: str = field(repr=False)


def puts(wished: Mapping[str, str], observed: Mapping[str, AgentObserved]) -> list[AgentStep]:
    """What must be there before HAProxy gets its configuration. ``wished`` is by interface."""
    found: list[AgentStep] = []
    for eni_id, text in sorted(wished.items()):
        there = observed.get(eni_id)
        if there is None or there.pid is None:
            found.append(StartAgent(eni_id, text))
        elif there.text != text:
            found.append(ConfigureAgent(eni_id, text))
    return found


def drops(wished: Container[str], observed: Mapping[str, AgentObserved]) -> list[AgentStep]:
    """What may go once no HAProxy asks for it."""
    return [StopAgent(eni_id) for eni_id in sorted(observed) if eni_id not in wished]


@dataclass(frozen=True, slots=True)
class AgentPlane:
    """All agents below ``directory``; those of the nodes below ``nodes``."""

    directory: Path
    nodes: Path

    @classmethod
    def beside(cls, nodes: Path) -> AgentPlane:
        """The agents of the nodes below ``nodes``."""
        return cls(nodes.parent / AGENTS, nodes)

    async def observe(self) -> dict[str, AgentObserved]:
        """Every directory of an agent, with its process if there is one."""
        if not self.directory.is_dir():
            return {}
        return {
            place.name: AgentObserved(_pid(place), _text(place))
            for place in sorted(self.directory.iterdir())
        }

    async def apply(self, step: AgentStep) -> None:
        """Take one step; taking it again does nothing more. Raises PlaneError."""
        place = self.directory / step.eni_id
        match step:
            case StartAgent(_, text):
                place.mkdir(parents=True, mode=0o700, exist_ok=True)
                write_private(place / CONFIG, text)
                if _pid(place) is None:
                    await spawn_ready(
                        *(sys.executable, "-m", MODULE, str(place)),
                        *("--node", str(self.nodes / step.eni_id)),
                        what=f"the agent of {step.eni_id}",
                        log=place / LOG,
                        timeout_s=START_S,
                    )
            case ConfigureAgent(_, text):
                write_private(place / CONFIG, text)
            case StopAgent():
                pid = _pid(place)
                if pid is not None:
                    await end(pid, "agent")
                shutil.rmtree(place, ignore_errors=True)


def _pid(place: Path) -> int | None:
    try:
        pid = int((place / PID_FILE).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    # The number may be another process's by now.
    return pid if {MODULE, str(place)} <= set(command_line(pid)) else None


def _text(place: Path) -> str:
    try:
        return (place / CONFIG).read_text()
    except FileNotFoundError:
        return ""
