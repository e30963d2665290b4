"""CloudFormation: stacks from templates, made through the same operations that clients call.

- ``stacks``       CreateStack, UpdateStack, DeleteStack and what may be done to a stack besides
- ``change_sets``  CreateChangeSet (computed in the call), ExecuteChangeSet and their siblings
- ``describe``     stacks, events, resources, exports as clients read them
- ``templates``    GetTemplate, GetTemplateSummary, ValidateTemplate
- ``wishes``       from a request to a checked wish: template, parameters, tags, capabilities
- ``engine``       one step of a stack: create, update, roll back (an internal operation;
                   ``reconcile.stacks`` takes steps until there are none)
- ``sweep``        removal in reverse order, tried again while something is still in use
- ``run``          a stack within one step: its events, its resources' handles
- ``requests``     template values fitted to the operation that they become
- ``registry``     finds every service's ``cfn`` module

Not here: nested stacks, custom resources, macros and transforms, imports, drift, stack sets, stack
policies, TemplateURL. All are refused by name.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/Welcome.html
"""

from . import change_sets, describe, engine, registry, stacks, templates

registry.load()

__all__ = ["change_sets", "describe", "engine", "stacks", "templates"]
