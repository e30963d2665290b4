"""AWS Cloud Map: names for what runs, in DNS and over an API.

- ``model``       namespaces, services, instances, operations
- ``records``     the record sets that a service's instances ask for   (pure)
- ``rows``        what is stored
- ``namespaces`` ``services`` ``instances`` ``discovery`` ``operations`` ``tagging``  the operations
- ``zones``       a namespace's hosted zone: made, changed, deleted through Route 53
- ``parsing``     what CreateService and UpdateService ask for
- ``views`` ``pages`` ``errors``

A DNS namespace is a hosted zone of Route 53 that Cloud Map alone may change; its records are the
instances'. An operation has succeeded once the DNS servers answer from it.
Refused by name: AAAA records, instances by ``AWS_EC2_INSTANCE_ID``, namespaces of other accounts.
https://docs.aws.amazon.com/cloud-map/latest/api/
"""

from hiyoko.services.servicediscovery import (
    discovery,
    instances,
    namespaces,
    operations,
    services,
    tagging,
)

__all__ = ["discovery", "instances", "namespaces", "operations", "services", "tagging"]
