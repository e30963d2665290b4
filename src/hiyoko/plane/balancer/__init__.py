"""HAProxy as an Application Load Balancer: one process per node.

- ``text``     quoting, wildcards, the pages that AWS's balancer answers by itself
- ``rules``    a listener's rules, redirects and fixed responses        (pure)
- ``render``   a node's whole configuration                             (pure, golden-tested)
- ``observe``  HAProxy's answers as data; the state that a reload carries over   (pure)
- ``socket``   one command, one answer
- ``nodes``    ``BalancerPlane``: observe and apply

https://docs.haproxy.org/2.6/configuration.html
"""
