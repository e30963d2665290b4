"""Elastic Load Balancing v2: Application Load Balancers.

Works: load balancers, target groups of type ``ip``, listeners (HTTP, HTTPS), rules, registrations,
certificates, trust stores and mutual TLS, attributes that act, tags. Refused by name: network and
gateway load balancers, targets of type ``instance``, ``lambda`` and ``alb``, HTTP/2 and gRPC to
targets, authentication and JWT actions, health check logs, IPv6. States are computed: see
``health`` and ``load_balancers.state``.

- ``load_balancers`` ``target_groups`` ``targets`` ``listeners`` ``rules`` ``trust_stores``
  ``tags`` ``limits``  operations, one file per noun
- ``traffic``  shares of a rule's traffic, moved for ECS
- ``log_delivery``  the bucket that logs are delivered to
- ``actions`` (``forwards`` ``redirects``) ``conditions`` ``transforms`` (``regexes``)
  ``attributes`` ``requests`` ``mutual_authentication`` ``pem_bundles``  what is parsed and checked
- ``model`` ``rows`` ``seen``  what is kept; ``ssl_policies``  AWS's table of TLS policies
- ``health`` ``views`` ``errors``  what is answered

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/
"""

from hiyoko.services.elbv2 import (  # noqa: F401  importing registers the operations
    limits,
    listeners,
    load_balancers,
    rules,
    tags,
    target_groups,
    targets,
    traffic,
    trust_stores,
)
