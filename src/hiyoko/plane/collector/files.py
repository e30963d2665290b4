"""What the collector's directory holds: its socket, its lock, its log."""

SOCKET, LOCK, LOG = "collector.sock", "collector.lock", "collector.log"
