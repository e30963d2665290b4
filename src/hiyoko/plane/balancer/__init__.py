"""HAProxy as an Application Load Balancer: one process per node.

Pure, golden-tested; ``render`` puts a node's whole configuration together:

- ``text``, ``names``, ``paths``  quoting and wildcards, what things are called, what is outside
- ``tls``, ``rules``, ``forwarding``, ``answers``  a listener: handshake, rules, headers, errors
- ``sni``, ``mutual_tls``  which certificate a client gets, and which one it must show
- ``transforms``  what a rule rewrites on the way to a target
- ``backend``, ``checks``, ``stickiness``  a target group: servers, checks, who comes back
- ``guards``  rules that want to know whose a request is, and what their agent is told
- ``seals``, ``boxes``  cookies that only the balancer can make or read

At work:

- ``observe``  HAProxy's answers as data; the state that a reload carries over   (pure)
- ``socket``   one command, one answer
- ``secret``   the file that cookies are sealed with
- ``signing``  the key that targets check what they are told of a user with
- ``nodes``    ``BalancerPlane``: observe and apply
- ``looking``  how much of a node a look reads: what may have changed, or all
- ``agents``   ``AgentPlane``: the same for the process ``agent`` beside a node with guards
- ``side_files``, ``certificates``, ``tls_library``  what lies beside a configuration, what is
  swapped in a running process, what the TLS library can do

https://docs.haproxy.org/2.6/configuration.html
"""
