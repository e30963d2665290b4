"""What the collector's directory holds: its socket, its lock, its log."""

from hiyoko.plane.background import Names

NAMES = Names(lock="collector.lock", socket="collector.sock", log="collector.log")
