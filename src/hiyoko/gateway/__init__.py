"""HTTP in: AWS's API on any number of sockets, with or without TLS, from one handler.

- ``server``    Gateway: sockets, bodies, host routes and local routes
- ``chain``     what happens to an API request: one list on one screen
- ``exchange``  what the chain's steps pass along
- ``sigv4``     who calls, and in which region: the signature's form
- ``resolve``   which service a request is for
- ``render``    results, refusals and bugs as responses; the only place that renders errors
- ``hosts``     which Host and Origin may speak to a socket on the host's loopback

Nothing here knows an operation, and no service knows HTTP.
"""
