"""All that must exist: frozen data, drawn from rows by pure functions, nothing left to decide.

- ``network``       VPCs down to interfaces, routes, rules: applied by ``plane.network``, read by
                    ``reach``
- ``balancers``     one node per load balancer and enabled subnet, with everything HAProxy needs
- ``zones``         what each DNS server answers, and where resolvers listen
- ``health_checks`` what each health checker asks
- ``places``        where on earth addresses and Regions are
- ``certificates``  what to prove and issue, and which certificate files balancers need
- ``tasks``         tasks and their containers
- ``step``          a difference between blueprint and world, as a value

Planes apply a blueprint, the analyser asks it, goldens print it. Choices (addresses, ids, ports)
were made once, in a transaction, and stored; nothing here makes one.
"""
