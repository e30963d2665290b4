"""Images and containers of tasks: pulled through the task's own interface, run by runc.

- ``reference``  image names as Docker reads them: which registry, which repository   (pure)
- ``blobs``      the content-addressed store on disk, shared by registry and runtime
- ``sockets``    sockets, names and TLS inside a task's network namespace
- ``agent``      the registry's token, over the task's network
- ``pull``       a manifest resolved through the task's network; missing blobs fetched
- ``layers``     a layer unpacked once (a program of its own), whiteouts as overlayfs has them
- ``mapped_mount``  a directory seen with the owners of a user namespace
- ``overlay``    a container's root, mounted
- ``trial``      whether tasks can have user namespaces of their own here
- ``bundle``     the OCI runtime specification of a container                      (pure)
- ``etc_files``  resolv.conf, hosts and the like
- ``seccomp``    the system calls that a container may not make                    (pure)
- ``directory``  what a task left on disk: the truth that a restarted daemon adopts
- ``runtime``    conmon and runc: create, start, signal, delete
- ``waiting``    what a container is given between create and start
- ``task_logs``  log streams before the start, and what the log driver is told
- ``watch``      exits, and logs that were sent to their end, wake the reconciler
- ``cgroups``    limits, where the host allows them
- ``plane``      observe, steps, apply
- ``importing``  archives and directories become images
"""
