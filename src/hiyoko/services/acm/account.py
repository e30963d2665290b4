"""An account's settings: when daily events tell that a certificate is about to expire.

https://docs.aws.amazon.com/acm/latest/APIReference/API_PutAccountConfiguration.html
"""

from __future__ import annotations

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.acm import errors, rows
from hiyoko.services.acm.model import AccountConfiguration

DAYS_BY_DEFAULT = 45
DAYS_MAX = 45
"""As AWS::CertificateManager::Account has it."""
IDEMPOTENCY_S = 3600


@operation("GetAccountConfiguration")
def get_account_configuration(call: Call, request: Request) -> Response:
    """The settings, or what holds without any."""
    found = rows.CONFIGURATIONS.find(call.tx, account=call.account, region=call.region)
    days = found.days_before_expiry if found is not None else DAYS_BY_DEFAULT
    return {"ExpiryEvents": {"DaysBeforeExpiry": days}}


@operation("PutAccountConfiguration")
def put_account_configuration(call: Call, request: Request) -> Response:
    """Change the settings. The same token within an hour is the same call."""
    token = request["IdempotencyToken"]
    days = (request.get("ExpiryEvents") or {}).get("DaysBeforeExpiry", DAYS_BY_DEFAULT)
    if not 1 <= days <= DAYS_MAX:
        raise errors.validation(f"DaysBeforeExpiry must be between 1 and {DAYS_MAX}.")
    found = rows.CONFIGURATIONS.find(call.tx, account=call.account, region=call.region)
    if found is not None and found.idempotency_token == token:
        if call.now < found.put_at + IDEMPOTENCY_S and found.days_before_expiry != days:
            raise errors.conflict("The idempotency token was used with other settings.")
        if call.now < found.put_at + IDEMPOTENCY_S:
            return {}
    rows.CONFIGURATIONS.put(
        call.tx, AccountConfiguration(call.account, call.region, days, token, call.now)
    )
    return {}
