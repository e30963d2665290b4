"""What is real: the only code that touches the kernel or starts a process.

Each plane renders text from a blueprint by pure functions, observes the world (never its own
memory), and applies one step at a time, so that doing it twice does nothing.

- ``world``       the keeper: one set of namespaces that holds everything, gone when it ends
- ``network``     routers, interfaces, routes, nftables
- ``balancer``    HAProxy
- ``dns``         authoritative servers and resolvers
- ``checkers``    Route 53's health checkers
- ``visitors``    clients from other places on earth
- ``ca``          the world's certificate authority
- ``containers``  images, runc, conmon
- ``log_driver``  containers' output, sent to CloudWatch Logs or to the task's log router
- ``process``     starting programs, in the right namespace, with errors that say what failed
"""
