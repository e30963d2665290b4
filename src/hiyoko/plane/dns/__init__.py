"""The world's DNS: one process that is root, parents, AWS, Route 53 and every resolver.

It is a child of the world, not of the daemon: it serves from a stored zone file, takes a new one
through a control socket, and says which one it serves.

- ``zone_file``  the zone set as a file: text and digest                    (pure)
- ``authority``  what a zone says to a question: RFC 1034, wildcards, referrals (pure)
- ``answers``    questions on the wire to answers on the wire, with a cache  (pure)
- ``upstream``   questions to servers over UDP and TCP
- ``resolver``   from the root down, with a cache; private zones first for a VPC
- ``sockets``    port 53, in the world and in router namespaces
- ``server``     the process: sockets, control, the zone set in force
- ``dns_server`` the plane: observe the process, start it, give it zones
- ``lookup``     a look-up from the root, for whoever must see what the world sees
"""
