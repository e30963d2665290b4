"""What a site.yaml may say. Names are Compose's where Compose has one."""

from __future__ import annotations

import re
import shlex
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
DOMAIN = re.compile(rf"{LABEL}(\.{LABEL})*\.(?!\d+$){LABEL}")
FARGATE_MEMORY_MIB = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
"""Task sizes that Fargate knows: CPU units to MiB
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html)."""


_Scalar = str | int | float | bool | None
"""What YAML makes of a plain word."""


def domain_name(value: str) -> str:
    """Check a domain name; returns it lower case without a trailing dot."""
    name = value.strip().rstrip(".").lower()
    if "://" in name or "/" in name:
        raise ValueError(f"{value!r} is a URL; write the domain alone, as in hello.example.com")
    if name.startswith("*."):
        raise ValueError(f"{value!r} is a wildcard; a site answers on exact names")
    if not DOMAIN.fullmatch(name) or len(name) > 253:
        raise ValueError(
            f"{value!r} is no domain name: letters, digits and hyphens between dots,"
            " as in hello.example.com"
        )
    return name


def _words(value: Any) -> Any:
    """Compose takes a command as a list or as one string in shell words."""
    if isinstance(value, str):
        return shlex.split(value)
    return value


def _environment(value: Any) -> Any:
    """Compose takes a mapping or a list of ``NAME=value``."""
    if isinstance(value, list):
        return dict(str(item).partition("=")[::2] for item in value)
    if isinstance(value, dict):
        return {str(name): _scalar(text) for name, text in value.items()}
    return value


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _one_port(value: Any) -> Any:
    """Compose's ``expose`` is a list; a task here listens on one port."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return int(value) if isinstance(value, str) and value.isdigit() else value


class Part(BaseModel):
    """Base of every part: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class HealthCheck(Part):
    """How the load balancer asks a task whether it is well."""

    path: str = Field(
        "/", description="Path that answers 200 when the task is well.", pattern=r"^/"
    )
    interval: int = Field(10, ge=5, le=300, description="Seconds between two checks.")
    timeout: int = Field(5, ge=2, le=120, description="Seconds to wait for the answer.")
    retries: int = Field(2, ge=2, le=10, description="Failures in a row that make it unhealthy.")
    codes: str = Field("200", description="Status codes that count as well, as 200 or 200-299.")

    @model_validator(mode="after")
    def _timeout_below_interval(self) -> HealthCheck:
        if self.timeout >= self.interval:
            raise ValueError(f"timeout ({self.timeout}) must be below interval ({self.interval})")
        return self


class Scale(Part):
    """The number of tasks follows the load: so that each works at about the target."""

    min: int = Field(1, ge=0, le=100, description="Fewest tasks.")
    max: int = Field(ge=1, le=100, description="Most tasks.")
    cpu: int | None = Field(
        None, ge=1, le=100, description="Target: percent of its CPU that a task uses on average."
    )
    requests: int | None = Field(
        None, ge=1, description="Target: requests that a task gets in a minute."
    )

    @model_validator(mode="after")
    def _has_bounds_and_a_target(self) -> Scale:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) must not be above max ({self.max})")
        if self.cpu is None and self.requests is None:
            raise ValueError("give a target: cpu, requests or both")
        return self


class Deploy(Part):
    """How many tasks, and how large."""

    replicas: int = Field(2, ge=0, le=100, description="Tasks that shall run.")
    scale: Scale | None = Field(
        None, description="Let the number follow the load, instead of replicas."
    )
    cpu: int = Field(256, description="CPU units of one task (1024 are one core).")
    memory: int = Field(512, description="Memory of one task in MiB.")

    @model_validator(mode="after")
    def _one_way_to_say_how_many(self) -> Deploy:
        if self.scale is not None and "replicas" in self.model_fields_set:
            raise ValueError("replicas and scale both say how many tasks; leave replicas out")
        return self

    @model_validator(mode="after")
    def _a_size_of_fargate(self) -> Deploy:
        sizes = FARGATE_MEMORY_MIB.get(self.cpu)
        if sizes is None:
            raise ValueError(f"cpu {self.cpu} is none of {', '.join(map(str, FARGATE_MEMORY_MIB))}")
        if self.memory not in sizes:
            raise ValueError(
                f"memory {self.memory} does not go with cpu {self.cpu};"
                f" Fargate offers {', '.join(map(str, sizes))}"
            )
        return self


class Egress(Part):
    """One thing that tasks may reach outside."""

    port: int = Field(ge=1, le=65535, description="Destination port.")
    protocol: Literal["tcp", "udp"] = Field("tcp", description="tcp or udp.")
    to: str = Field("0.0.0.0/0", description="Destination, a CIDR.")

    @field_validator("to")
    @classmethod
    def _cidr(cls, value: str) -> str:
        return str(IPv4Network(value, strict=False))


def _egress(value: Any) -> Any:
    """``443`` or ``53/udp`` for short."""
    if not isinstance(value, list):
        return value
    items: list[Any] = []
    for item in value:
        text = str(item)
        match = re.fullmatch(r"(\d+)(?:/(tcp|udp))?", text)
        items.append({"port": int(match[1]), "protocol": match[2] or "tcp"} if match else item)
    return items


TAG = "|"
"""Begins the names of alternatives in pydantic's errors, which no YAML file contains."""
_EgressRules = Annotated[
    list[Egress], BeforeValidator(_egress, json_schema_input_type=list[Egress | int | str])
]


def _word(value: Any) -> Any:
    if value != "endpoints":
        raise ValueError(f"{value!r} is neither a list, as [443], nor the word endpoints")
    return value


_Endpoints = Annotated[Literal["endpoints"], BeforeValidator(_word)]


class Build(Part):
    """How a service's image is built; a word alone is the context."""

    context: str = Field(".", description="Folder that the build may copy from.", min_length=1)
    dockerfile: str = Field(
        "Dockerfile", description="File to build by, seen from the context.", min_length=1
    )
    args: Annotated[
        dict[str, str],
        BeforeValidator(_environment, json_schema_input_type=dict[str, _Scalar] | list[str]),
    ] = Field(default_factory=dict, description="Build arguments.")
    target: str | None = Field(None, description="Stage to stop at; default: the last one.")


def _build(value: Any) -> Any:
    """Compose takes the context alone for short."""
    return {"context": value} if isinstance(value, str) else value


class Service(Part):
    """One kind of task: an image, how it is reached, how many."""

    image: str | None = Field(None, description="Image to run.", min_length=1)
    build: Annotated[
        Build | None, BeforeValidator(_build, json_schema_input_type=Build | str | None)
    ] = Field(None, description="Build the image instead, with buildah, and keep it in ECR.")
    command: Annotated[
        list[str], BeforeValidator(_words, json_schema_input_type=list[str] | str)
    ] = Field(default_factory=list, description="Overrides the image's command.")
    entrypoint: Annotated[
        list[str], BeforeValidator(_words, json_schema_input_type=list[str] | str)
    ] = Field(default_factory=list, description="Overrides the image's entry point.")
    environment: Annotated[
        dict[str, str],
        BeforeValidator(_environment, json_schema_input_type=dict[str, _Scalar] | list[str]),
    ] = Field(default_factory=dict, description="Environment variables.")
    expose: Annotated[
        int, BeforeValidator(_one_port, json_schema_input_type=int | str | list[int | str])
    ] = Field(80, ge=1, le=65535, description="Port that the container listens on.")
    path: str | None = Field(
        None, pattern=r"^/", description="Paths of the domain that come here, as /api/*."
    )
    host: str | None = Field(None, description="Host name that comes here; default: the domain.")
    healthcheck: HealthCheck = Field(default_factory=HealthCheck, description="Health check.")
    deploy: Deploy = Field(default_factory=Deploy, description="Number and size of tasks.")

    _host = field_validator("host")(lambda value: None if value is None else domain_name(value))

    @model_validator(mode="after")
    def _one_source(self) -> Service:
        if (self.image is None) is (self.build is None):
            raise ValueError("write image (an image to run) or build (a folder to build one from)")
        return self


class Network(Part):
    """The VPC."""

    cidr: str = Field("10.0.0.0/16", description="Address range of the VPC, /16 to /22.")
    zones: int = Field(2, ge=2, le=3, description="Availability Zones to use.")

    @field_validator("cidr")
    @classmethod
    def _fits(cls, value: str) -> str:
        network = IPv4Network(value, strict=False)
        if not 16 <= network.prefixlen <= 22:
            raise ValueError(f"{value} should be a /16 to /22, as 10.0.0.0/16")
        if not network.is_private:
            raise ValueError(f"{value} is not private address space, as 10.0.0.0/16 is")
        return str(network)


def _name_may_be_left_out(schema: dict[str, Any]) -> None:
    """A file without a name takes its folder's."""
    schema["required"].remove("name")


class Site(Part):
    """A site: a name, a domain, services."""

    model_config = ConfigDict(json_schema_extra=_name_may_be_left_out)

    name: str = Field(
        description="Name of the site and of its stack.",
        pattern=r"^[a-zA-Z][a-zA-Z0-9-]{0,19}$",
    )
    region: str = Field(
        "ap-northeast-1", description="AWS region.", pattern=r"^[a-z]{2}(-[a-z]+)+-\d$"
    )
    domain: str | None = Field(
        None, description="Name of the site. Without one, tasks are reached by a public address."
    )
    zone: str | None = Field(
        None, description="Hosted zone that holds the domain; default: the domain itself."
    )
    redirects: list[str] = Field(
        default_factory=list, description="Further names that redirect to the domain, as www."
    )
    services: dict[str, Service] = Field(description="What runs.", min_length=1)
    network: Network = Field(default_factory=Network, description="The VPC.")
    egress: Annotated[
        Annotated[_EgressRules, Tag(TAG + "rules")] | Annotated[_Endpoints, Tag(TAG + "word")],
        Discriminator(lambda value: TAG + ("word" if isinstance(value, str) else "rules")),
    ] = Field(
        default_factory=lambda: [Egress(port=443)],
        description="What tasks may reach outside; default: TCP 443 only. endpoints: nothing but"
        " the services of AWS that they need, without a NAT gateway.",
    )
    discovery: bool = Field(
        False,
        description="Services find each other at SERVICE.NAME.internal, on the port they expose.",
    )
    logs_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = Field(
        30, description="Days that logs are kept."
    )

    _names = field_validator("domain", "zone")(
        lambda value: None if value is None else domain_name(value)
    )

    @field_validator("redirects")
    @classmethod
    def _redirect_names(cls, value: list[str]) -> list[str]:
        return [domain_name(name) for name in value]

    @field_validator("services")
    @classmethod
    def _service_names(cls, value: dict[str, Service]) -> dict[str, Service]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", name):
                raise ValueError(
                    f"service name {name!r}: lower-case letters, digits and hyphens, at most 20"
                )
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Site:
        if self.domain is None:
            self._without_domain()
        else:
            self._with_domain(self.domain)
        if self.endpoints:
            self._with_endpoints()
        return self

    def _with_endpoints(self) -> None:
        registry = f".dkr.ecr.{self.region}.amazonaws.com"
        for name, service in self.services.items():
            # What the site builds itself lies there already.
            if service.image and not service.image.partition("/")[0].endswith(registry):
                raise ValueError(
                    f"services.{name}: with egress: endpoints tasks reach no registry but ECR in"
                    f" {self.region}; push {service.image} to a repository there, and name it"
                    f" ACCOUNT{registry}/..."
                )

    def _without_domain(self) -> None:
        if self.endpoints:
            raise ValueError(
                "egress: endpoints needs a domain: without one tasks stand in public subnets"
            )
        for key in ("zone", "redirects"):
            if getattr(self, key):
                raise ValueError(f"{key} needs a domain")
        for name, service in self.services.items():
            if service.host or service.path:
                raise ValueError(f"services.{name}: host and path need a domain")
            scale = service.deploy.scale
            if scale is not None and scale.requests is not None:
                raise ValueError(
                    f"services.{name}: deploy.scale.requests needs a domain, for only a load"
                    " balancer counts requests; use cpu"
                )

    def _with_domain(self, domain: str) -> None:
        zone = self.zone or domain
        names = [domain, *self.redirects, *(s.host for s in self.services.values() if s.host)]
        for name in names:
            if name != zone and not name.endswith(f".{zone}"):
                raise ValueError(f"{name} is not in the zone {zone}; set zone to a name above it")
        if domain in self.redirects:
            raise ValueError(f"redirects: {domain} would redirect to itself")
        routes: dict[tuple[str, str], str] = {}
        for name, service in self.services.items():
            route = (service.host or domain, service.path or "/*")
            if route in routes:
                raise ValueError(
                    f"services {routes[route]} and {name} both answer {route[0]}{route[1]};"
                    " give one of them a path or a host"
                )
            routes[route] = name

    @property
    def private_domain(self) -> str:
        """The domain that only the VPC sees, below which each service has its name."""
        return f"{self.name.strip('-').lower()}.internal"

    @property
    def endpoints(self) -> bool:
        """Whether tasks reach AWS's services by endpoints, and nothing else."""
        return self.egress == "endpoints"

    @property
    def hosted_zone(self) -> str | None:
        """The zone's name, when there is a domain."""
        return self.zone or self.domain

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name that the site answers on, the domain first, each once."""
        if self.domain is None:
            return ()
        hosts = [self.domain, *self.redirects]
        hosts += [service.host for service in self.services.values() if service.host]
        return tuple(dict.fromkeys(hosts))
