"""IAM: roles and policies as records.

Kept and answered as AWS does: roles with their trust policy, path, tags and limits; inline
policies; customer-managed policies with their versions; attachments; service-linked roles. Nothing
is enforced: no call is ever denied because of a policy. Users, groups and instance profiles do not
exist. IAM is global: rows carry the region ``aws-global``.

https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html

- ``model``     Role, Policy
- ``rows``      the tables
- ``roles``     CreateRole … ListRoleTags, service-linked roles
- ``role_policies``  inline policies and attachments
- ``policies``  managed policies
"""

from . import policies, role_policies, roles  # noqa: F401
