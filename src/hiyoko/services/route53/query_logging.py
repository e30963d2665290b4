"""Query logging: which public zones' queries go to which log groups.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/query-logs.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.route53 import errors, rows
from hiyoko.services.route53.model import GLOBAL, QueryLoggingConfig
from hiyoko.services.route53.pages import token_page

LOG_REGION = "us-east-1"
_LOCATION = "https://route53.amazonaws.com/2013-04-01/queryloggingconfig/"


@operation("CreateQueryLoggingConfig")
def create_query_logging_config(call: Call, request: Request) -> Response:
    """Log a public zone's queries to a log group of us-east-1, which must be there."""
    zone = rows.get_zone(call.tx, call.account, request["HostedZoneId"])
    if zone.private:
        raise errors.invalid_input("Query logging is for public hosted zones only.")
    if rows.QUERY_LOGGING.list(call.tx, zone_id=zone.zone_id):
        raise errors.query_logging_exists(zone.zone_id)
    arn = request["CloudWatchLogsLogGroupArn"]
    start = f"arn:aws:logs:{LOG_REGION}:{call.account}:log-group:"
    if not arn.startswith(start):
        raise errors.no_such_log_group(arn)
    made = QueryLoggingConfig(call.account, GLOBAL, call.ids.uuid(), zone.zone_id, arn)
    groups = replace(call, region=LOG_REGION).invoke(
        "logs", "DescribeLogGroups", {"logGroupNamePrefix": made.log_group}
    )
    if not any(group["logGroupName"] == made.log_group for group in groups["logGroups"]):
        raise errors.no_such_log_group(arn)
    rows.QUERY_LOGGING.insert(call.tx, made)
    return {"QueryLoggingConfig": _shown(made), "Location": _LOCATION + made.config_id}


@operation("GetQueryLoggingConfig")
def get_query_logging_config(call: Call, request: Request) -> Response:
    """One configuration."""
    found = rows.get_query_logging(call.tx, call.account, request["Id"])
    return {"QueryLoggingConfig": _shown(found)}


@operation("DeleteQueryLoggingConfig")
def delete_query_logging_config(call: Call, request: Request) -> Response:
    """Log no more; what was logged stays."""
    found = rows.get_query_logging(call.tx, call.account, request["Id"])
    rows.QUERY_LOGGING.delete(call.tx, config_id=found.config_id)
    return {}


@operation("ListQueryLoggingConfigs")
def list_query_logging_configs(call: Call, request: Request) -> Response:
    """The account's configurations, or the one of a zone."""
    found = rows.QUERY_LOGGING.list(call.tx, account=call.account)
    if request.get("HostedZoneId"):
        zone = rows.get_zone(call.tx, call.account, request["HostedZoneId"])
        found = [config for config in found if config.zone_id == zone.zone_id]
    found.sort(key=lambda config: config.config_id)
    return token_page(request, "QueryLoggingConfigs", [_shown(config) for config in found])


def _shown(config: QueryLoggingConfig) -> dict[str, Any]:
    return {
        "Id": config.config_id,
        "HostedZoneId": config.zone_id,
        "CloudWatchLogsLogGroupArn": config.log_group_arn,
    }
