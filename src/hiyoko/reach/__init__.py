"""Questions to a blueprint: can A reach B, over which hops, and if not, which rules said no. Pure.

- ``question``  what is asked and what is answered; codes are those of AWS's Reachability Analyzer
- ``match``     does a rule, an ACL, a group match a packet
- ``walk``      a packet's way there, pass by pass through routers, and its answer's way back

The walk goes on behind a rule that says no, as long as there is a next hop, so that an answer
names everything that must change (Bayless et al., "Debugging Network Reachability with Blocked
Paths", CAV 2021), not just the first drop. It follows the same order as ``plane.network``; the
differential test asks both.
"""

from hiyoko.reach.question import Answer, Finding, Hop, Question
from hiyoko.reach.walk import ask

__all__ = ["Answer", "Finding", "Hop", "Question", "ask"]
