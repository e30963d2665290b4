"""How Route 53 has its own name servers asked (TestDNSAnswer)."""

from __future__ import annotations

from collections.abc import Callable

from hiyoko.blueprint.draw_records import master_text
from hiyoko.blueprint.draw_zones import route53_address
from hiyoko.plane.dns.single import ask_as
from hiyoko.services.route53.model import DnsAnswer, DnsQuestion
from hiyoko.settings import Settings


def name_servers(settings: Settings) -> Callable[[DnsQuestion], DnsAnswer | None]:
    """Ask this cloud's; None when they do not answer."""

    def ask(question: DnsQuestion) -> DnsAnswer | None:
        server, name = route53_address(question.number), master_text(question.name)
        told = ask_as(
            settings.run_dir, server, question.resolver, name, question.type, question.subnet
        )
        if told is None:
            return None
        return DnsAnswer(told.code, tuple(told.values), "TCP" if told.tcp else "UDP")

    return ask
