"""What a finished stack shows to others: outputs, and exports with their promises."""

from __future__ import annotations

from hiyoko.api import AwsError, Call
from hiyoko.services.cloudformation import rows
from hiyoko.services.cloudformation.model import OutputValue, Stack
from hiyoko.services.cloudformation.run import Around, StackWorld, pseudo_parameters
from hiyoko.template.error import TemplateError
from hiyoko.template.functions import Resolver, walk
from hiyoko.template.parameters import as_text
from hiyoko.template.read import read_template


def output_values(resolver: Resolver) -> tuple[OutputValue, ...]:
    """The outputs whose condition holds, with nothing left to resolve."""
    found = []
    for output in resolver.template.outputs.values():
        if not resolver.exists(output.condition):
            continue
        value = resolver.resolve(output.value)
        if isinstance(value, list | dict):
            raise TemplateError(
                "Template format error: The Value field of every Outputs member must evaluate to a"
                " String."
            )
        export = None if output.export is None else as_text(resolver.resolve(output.export))
        found.append(OutputValue(output.name, as_text(value), output.description, export))
    return tuple(found)


def export_conflict(call: Call, stack: Stack, outputs: tuple[OutputValue, ...]) -> str:
    """Why these outputs cannot be: a name taken, or a value that others hold. Empty: they can."""
    wanted = {output.export: output.value for output in outputs if output.export}
    for other in rows.list_living(call.tx, call.account, call.region):
        if other.id == stack.id:
            continue
        for output in other.outputs:
            if output.export in wanted:
                return f"Export with name {output.export} is already exported by stack {other.name}"
    for output in stack.outputs:
        if output.export and wanted.get(output.export) != output.value:
            users = importers(call, output.export)
            if users:
                verb = "updated" if output.export in wanted else "deleted"
                return (
                    f"Export {output.export} cannot be {verb} as it is in use by {', '.join(users)}"
                )
    return ""


def importers(call: Call, export: str) -> list[str]:
    """The names of the living stacks that import an export."""
    return [
        stack.name
        for stack in rows.list_living(call.tx, call.account, call.region)
        if stack.status != "REVIEW_IN_PROGRESS" and export in _imports(call, stack)
    ]


def _imports(call: Call, stack: Stack) -> set[str]:
    template = read_template(stack.wish.template)
    resolver = Resolver(
        template,
        stack.wish.parameters,
        pseudo_parameters(call, stack.id, stack.name),
        StackWorld(Around(call), {}),
    )
    places = [resource.properties for resource in resolver.resources().values()]
    values = [*places, *(output.value for output in template.outputs.values())]
    found: set[str] = set()
    for name, argument, _ in walk(values):
        if name == "Fn::ImportValue":
            try:
                found.add(as_text(resolver.resolve(argument)))
            except (AwsError, TemplateError, KeyError):
                continue  # names what no stack exports: it imports nothing
    return found
