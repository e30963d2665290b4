"""Query logging: which VPCs' questions are written down, and in which log groups.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-query-logs.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.ec2 import rows as ec2
from hiyoko.services.logs import rows as logs
from hiyoko.services.route53resolver import errors, rows, views
from hiyoko.services.route53resolver.model import QueryLogAssociation, QueryLogConfig
from hiyoko.services.route53resolver.pages import Filters, filtered, page
from hiyoko.services.route53resolver.parsing import tags_in

CONFIGS_MAX = 20
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""


@operation("CreateResolverQueryLogConfig")
def create_resolver_query_log_config(call: Call, request: Request) -> Response:
    """Record a configuration with a log group, which must be there."""
    known = _list(call)
    if any(one.creator == request["CreatorRequestId"] for one in known):
        raise errors.made_already("Resolver query log config", request["CreatorRequestId"])
    if len(known) >= CONFIGS_MAX:
        raise errors.limit_exceeded(call.account, "max-query-log-config")
    config_id = f"rqlc-{call.ids.hex(17)}"
    made = QueryLogConfig(
        account=call.account,
        region=call.region,
        config_id=config_id,
        arn=call.arn("route53resolver", f"resolver-query-log-config/{config_id}"),
        name=request["Name"],
        destination=_destination(call, request["DestinationArn"]),
        creator=request["CreatorRequestId"],
        created_at=call.now,
        tags=tags_in(request),
    )
    if not _is_there(call, made):
        raise errors.invalid_parameter(
            f"The log group '{made.log_group}' does not exist", "DestinationArn"
        )
    rows.QUERY_LOG_CONFIGS.insert(call.tx, made)
    return _shown(call, made)


def _destination(call: Call, arn: str) -> str:
    """A log group of the account's own, in this Region."""
    service = f"{arn}:::::".split(":")[2]
    if service in ("s3", "firehose"):
        raise unsupported("DestinationArn", arn)
    if not arn.startswith(f"arn:aws:logs:{call.region}:{call.account}:log-group:"):
        raise errors.invalid_parameter(
            f"'{arn}' is not the ARN of a log group of this account and Region", "DestinationArn"
        )
    return arn


def _is_there(call: Call, config: QueryLogConfig) -> bool:
    return logs.find_group(call.tx, call.account, call.region, config.log_group) is not None


def _list(call: Call) -> list[QueryLogConfig]:
    found = rows.QUERY_LOG_CONFIGS.list(call.tx, account=call.account, region=call.region)
    return sorted(found, key=lambda one: (one.created_at, one.config_id))


@operation("GetResolverQueryLogConfig")
def get_resolver_query_log_config(call: Call, request: Request) -> Response:
    """A configuration by id."""
    return _shown(call, rows.get_query_log_config(call, request["ResolverQueryLogConfigId"]))


_FILTERS: Filters = {
    "arn": lambda one: one["Arn"],
    "associationcount": lambda one: str(one["AssociationCount"]),
    "creationtime": lambda one: one["CreationTime"],
    "creatorrequestid": lambda one: one["CreatorRequestId"],
    "destinationarn": lambda one: one["DestinationArn"],
    "id": lambda one: one["Id"],
    "name": lambda one: one["Name"],
    "ownerid": lambda one: one["OwnerId"],
    "sharestatus": lambda one: one["ShareStatus"],
    "status": lambda one: one["Status"],
}


@operation("ListResolverQueryLogConfigs")
def list_resolver_query_log_configs(call: Call, request: Request) -> Response:
    """The account's configurations, by filter."""
    shown = [_shown(call, one)["ResolverQueryLogConfig"] for one in _list(call)]
    return _counted(request, "ResolverQueryLogConfigs", shown, _FILTERS)


@operation("DeleteResolverQueryLogConfig")
def delete_resolver_query_log_config(call: Call, request: Request) -> Response:
    """Delete a configuration that no VPC is associated with."""
    config = rows.get_query_log_config(call, request["ResolverQueryLogConfigId"])
    if rows.list_query_log_associations(call, config.config_id):
        raise errors.invalid_request(
            f"Disassociate every VPC from '{config.config_id}' before deleting it."
        )
    rows.QUERY_LOG_CONFIGS.delete(
        call.tx, account=config.account, region=config.region, config_id=config.config_id
    )
    return {"ResolverQueryLogConfig": views.query_log_config(config, 0) | {"Status": "DELETING"}}


@operation("AssociateResolverQueryLogConfig")
def associate_resolver_query_log_config(call: Call, request: Request) -> Response:
    """Have a VPC's questions logged."""
    config = rows.get_query_log_config(call, request["ResolverQueryLogConfigId"])
    vpc_id = request["ResourceId"]
    if ec2.VPCS.find(call, vpc_id) is None:
        raise errors.not_found("VPC", vpc_id)
    known = rows.list_query_log_associations(call, config.config_id)
    if any(one.vpc_id == vpc_id for one in known):
        raise errors.exists(f"'{config.config_id}' is already associated with '{vpc_id}'")
    made = QueryLogAssociation(
        account=call.account,
        region=call.region,
        association_id=f"rqlca-{call.ids.hex(17)}",
        config_id=config.config_id,
        vpc_id=vpc_id,
        created_at=call.now,
        revision=call.tx.revision,
    )
    rows.QUERY_LOG_ASSOCIATIONS.insert(call.tx, made)
    return _association(call, made)


@operation("DisassociateResolverQueryLogConfig")
def disassociate_resolver_query_log_config(call: Call, request: Request) -> Response:
    """Log a VPC's questions no more; what was logged stays."""
    config = rows.get_query_log_config(call, request["ResolverQueryLogConfigId"])
    for one in rows.list_query_log_associations(call, config.config_id):
        if one.vpc_id == request["ResourceId"]:
            rows.QUERY_LOG_ASSOCIATIONS.delete(
                call.tx, account=one.account, region=one.region, association_id=one.association_id
            )
            shown = views.query_log_association(one, "DELETING", "NONE")
            return {"ResolverQueryLogConfigAssociation": shown}
    raise errors.not_found("VPC", request["ResourceId"])


@operation("GetResolverQueryLogConfigAssociation")
def get_resolver_query_log_config_association(call: Call, request: Request) -> Response:
    """An association by id."""
    wanted = request["ResolverQueryLogConfigAssociationId"]
    for one in rows.list_query_log_associations(call):
        if one.association_id == wanted:
            return _association(call, one)
    raise errors.not_found("Resolver query log config association", wanted)


_ASSOCIATION_FILTERS: Filters = {
    "creationtime": lambda one: one["CreationTime"],
    "error": lambda one: one["Error"],
    "id": lambda one: one["Id"],
    "resolverquerylogconfigid": lambda one: one["ResolverQueryLogConfigId"],
    "resourceid": lambda one: one["ResourceId"],
    "status": lambda one: one["Status"],
}


@operation("ListResolverQueryLogConfigAssociations")
def list_resolver_query_log_config_associations(call: Call, request: Request) -> Response:
    """The account's associations, by filter."""
    shown = [
        _association(call, one)["ResolverQueryLogConfigAssociation"]
        for one in rows.list_query_log_associations(call)
    ]
    member = "ResolverQueryLogConfigAssociations"
    return _counted(request, member, shown, _ASSOCIATION_FILTERS)


def _counted(
    request: Request, member: str, shown: Sequence[dict[str, Any]], filters: Filters
) -> Response:
    """A page of what passes, sorted as asked for, with how many there are."""
    found = filtered(request, shown, filters)
    if request.get("SortBy"):
        by = filters.get(request["SortBy"].replace("_", "").lower())
        if by is None:
            raise errors.invalid_parameter(f"Nothing is sorted by '{request['SortBy']}'", "SortBy")
        found.sort(key=lambda one: str(by(one)), reverse=request.get("SortOrder") == "DESCENDING")
    counts = {"TotalCount": len(shown), "TotalFilteredCount": len(found)}
    return page(request, member, found) | counts


def _shown(call: Call, config: QueryLogConfig) -> Response:
    associations = rows.list_query_log_associations(call, config.config_id)
    return {"ResolverQueryLogConfig": views.query_log_config(config, len(associations))}


def _association(call: Call, one: QueryLogAssociation) -> Response:
    """Active once DNS writes down; what it wrote goes nowhere while the log group is not there."""
    status, error = "ACTIVE", "NONE"
    if rows.served_revision(call.tx) < one.revision:
        status = "CREATING"
    elif not _is_there(call, rows.get_query_log_config(call, one.config_id)):
        status, error = "ACTION_NEEDED", "DESTINATION_NOT_FOUND"
    return {"ResolverQueryLogConfigAssociation": views.query_log_association(one, status, error)}
