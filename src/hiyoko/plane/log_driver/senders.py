"""Which sender goes with which driver."""

from __future__ import annotations

from hiyoko.plane.log_driver.cloudwatch import CloudWatchSender
from hiyoko.plane.log_driver.order import CloudWatchOrder, Order
from hiyoko.plane.log_driver.router import RouterSender
from hiyoko.plane.log_driver.sender import Sender


def make_sender(order: Order) -> Sender:
    """The way to the order's destination; nothing is opened yet."""
    if isinstance(order, CloudWatchOrder):
        return CloudWatchSender(order)
    return RouterSender(order)
