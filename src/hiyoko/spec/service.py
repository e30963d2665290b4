"""Services and operations by name, each built from its archive on first use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiyoko.spec.archive import Archive, known
from hiyoko.spec.shapes import ErrorShape, Operation, Shape, Use

# botocore's own order of preference (botocore/utils.py, PRIORITY_ORDERED_SUPPORTED_PROTOCOLS) has
# been another one with CBOR first, and other SDKs have theirs: a service that offers several
# protocols is asked in any of them, so ``codecs.codec_of`` looks at the request.
_PREFERENCE = ("json", "rest-json", "rest-xml", "query", "ec2")


@dataclass(slots=True, eq=False)
class Service:
    """One service's model."""

    name: str
    archive: Archive
    _shapes: dict[str, Shape] = field(default_factory=dict)
    _operations: dict[str, Operation] = field(default_factory=dict)
    compiled: dict[str, Any] = field(default_factory=dict)
    protocol: str = field(init=False)
    """The protocol that says how this service words its refusals."""
    protocols: tuple[str, ...] = field(init=False)
    """All protocols that the service answers in."""

    def __post_init__(self) -> None:
        metadata = self.archive.metadata
        offered = metadata.get("protocols") or [metadata["protocol"]]
        self.protocols = tuple(offered)
        self.protocol = next((name for name in _PREFERENCE if name in offered), str(offered[0]))

    @property
    def version(self) -> str:
        """The API version, a date."""
        return str(self.archive.metadata["apiVersion"])

    @property
    def namespace(self) -> str:
        """The XML namespace of answers, empty for JSON."""
        return self.archive.namespace

    @property
    def target_prefix(self) -> str:
        """What stands before the dot in X-Amz-Target."""
        return str(self.archive.metadata.get("targetPrefix", ""))

    @property
    def query_compatible(self) -> bool:
        """The service once spoke the query protocol only, and keeps its codes for errors."""
        return "awsQueryCompatible" in self.archive.metadata

    @property
    def json_version(self) -> str:
        """``1.0`` or ``1.1``: part of the content type."""
        return str(self.archive.metadata.get("jsonVersion", "1.1"))

    @property
    def operation_names(self) -> tuple[str, ...]:
        """Every operation of the model, implemented or not."""
        return tuple(self.archive.operations.split("\n"))

    def find_operation(self, name: str) -> Operation | None:
        """The operation, or None when AWS has none of that name."""
        if name not in self._operations:
            try:
                model = self.archive.operation(name)
            except KeyError:
                return None
            self._operations[name] = self._operation(name, model)
        return self._operations[name]

    def operation(self, name: str) -> Operation:
        """The operation. Raises KeyError."""
        operation = self.find_operation(name)
        if operation is None:
            raise KeyError(f"{self.name}:{name}")
        return operation

    def _operation(self, name: str, model: Mapping[str, Any]) -> Operation:
        http = model.get("http", {})
        output = model.get("output")
        return Operation(
            service=self.name,
            name=name,
            method=http.get("method", "POST"),
            uri=http.get("requestUri", "/"),
            status=int(http.get("responseCode", 200)),
            input=self._use(model["input"]) if "input" in model else None,
            output=self._use(output) if output else None,
            result_wrapper=output.get("resultWrapper") if output else None,
            errors=self._errors(model.get("errors", ())),
        )

    def _errors(self, models: tuple[Mapping[str, Any], ...]) -> dict[str, ErrorShape]:
        """By shape name and by wire code: services may raise either."""
        errors: dict[str, ErrorShape] = {}
        for model in models:
            raw = self.archive.shape(model["shape"]).get("error", {})
            error = ErrorShape(
                code=raw.get("code", model["shape"]),
                status=raw.get("httpStatusCode"),
                use=self._use(model),
            )
            errors[model["shape"]] = error
            errors.setdefault(error.code, error)
        return errors

    def _shape(self, name: str) -> Shape:
        if name in self._shapes:
            return self._shapes[name]
        model = self.archive.shape(name)
        shape = self._shapes[name] = Shape(
            name=name,
            kind=model["type"],
            required=tuple(model.get("required", ())),
            payload=model.get("payload"),
            enum=tuple(model.get("enum", ())),
            pattern=model.get("pattern"),
            least=model.get("min"),
            most=model.get("max"),
            document=bool(model.get("document")),
            sensitive=bool(model.get("sensitive")),
        )
        for member, use in model.get("members", {}).items():
            shape.members[member] = self._use(use)
        if shape.kind == "list":
            shape.element = self._use(model["member"])
        elif shape.kind == "map":
            shape.key = self._use(model["key"])
            shape.element = self._use(model["value"])
        return shape

    def _use(self, place: Mapping[str, Any]) -> Use:
        # A trait may stand on the shape too; the place's own wins (botocore.model.ShapeResolver).
        traits = {**self.archive.shape(place["shape"]), **place}
        namespace = traits.get("xmlNamespace")
        return Use(
            shape=self._shape(place["shape"]),
            name=traits.get("locationName"),
            query_name=traits.get("queryName"),
            location=traits.get("location"),
            flattened=bool(traits.get("flattened")),
            timestamp_format=traits.get("timestampFormat"),
            namespace=namespace.get("uri") if isinstance(namespace, dict) else namespace,
            attribute=bool(traits.get("xmlAttribute")),
            streaming=bool(traits.get("streaming")),
            json_value=bool(traits.get("jsonvalue")),
        )


@dataclass(slots=True, eq=False)
class Specs:
    """All services that botocore knows. ``cache_dir`` keeps their archives between starts."""

    cache_dir: Path | None = None
    _services: dict[str, Service] = field(default_factory=dict)

    def find_service(self, name: str) -> Service | None:
        """The service by botocore's name (``elbv2``), or None."""
        service = self._services.get(name)
        if service is None and known(name):
            service = Service(name, Archive.open(name, self.cache_dir))
            self._services[name] = service
        return service

    def service(self, name: str) -> Service:
        """The service by botocore's name. Raises KeyError."""
        service = self.find_service(name)
        if service is None:
            raise KeyError(name)
        return service
