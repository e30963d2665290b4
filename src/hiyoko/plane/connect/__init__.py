"""Service Connect's proxies: an HAProxy in each task's namespace, beside its containers.

- ``render``   configuration and redirections as text   (pure)
- ``servers``  what a running proxy is told of its servers   (pure)
- ``counters``  what a proxy has counted, for CloudWatch   (pure)
- ``access_log``  entries of requests, as ECS's proxies write them   (pure)
- ``plane``    the processes

Amazon ECS runs Envoy there. Containers send to an address of the loopback that is theirs alone; a
rule of the task's namespace leads it to the proxy's own port, so that a container may listen on
the alias's port itself. What a task can reach is settled when it starts: its proxy is never
reloaded, and its servers come and go through the runtime API.
"""
