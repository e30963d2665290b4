"""AWS's services that only keep things (S3, parameters, secrets, keys, queues): moto, embedded.

They answer on the same endpoint, for the same accounts and regions, and are emptied by the same
reset as our own. They live in the daemon's memory: when it ends, what they kept is gone. The
package ``moto`` (extra ``hiyoko[more]``) is imported at the first request for one of them.

Nothing of this package judges a packet, and no service is here that claims to run something.

- ``served``  which services
- ``host``    ``Neighbours``: one HTTP request in, one answer out; and ``ask``, for our own code
- ``embedded``   moto itself, imported at the first request
- ``event_log``  EventBridge's way to our CloudWatch Logs
https://docs.getmoto.org
"""

from hiyoko.neighbours.host import Neighbours
from hiyoko.neighbours.served import SERVED

__all__ = ["SERVED", "Neighbours"]
