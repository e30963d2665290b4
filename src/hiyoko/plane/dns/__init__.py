"""The world's DNS: one process that is root, parents, AWS, Route 53 and every resolver.

It is a child of the world, not of the daemon: it serves what is stored, is told through a control
socket that there is more, and says what it serves.

- ``zone_file``  the zone set as JSON                              (pure)
- ``zone_change``  what is new in a zone set, and digests          (pure)
- ``zone_store``  the zone set and the journal of changes, on disk
- ``zone_keys``  the keys that zones are signed with
- ``loaded``     a zone's contents, ready to be asked              (pure)
- ``choice``     which of several record sets a question gets      (pure)
- ``authority``  what a zone says: RFC 1034, wildcards, referrals  (pure)
- ``signing``, ``chain``  signatures, and proofs of absence        (pure)
- ``answers``    questions on the wire to answers on the wire, with a cache  (pure)
- ``served``     the zone set in force with everything that is made of it
- ``upstream``   questions to servers over UDP and TCP
- ``forwarding``  questions that a rule hands to other resolvers
- ``outlet``     how these leave through an interface of an outbound endpoint
- ``resolver``   from the root down, with a cache; private zones first for a VPC
- ``validating``  what the internet says, judged from the root's key down
- ``sockets``    port 53, in the world and in other namespaces
- ``listening``  which sockets shall be in other namespaces, and are
- ``recursive``  what a resolver tells its clients
- ``query_log``, ``vpc_query_log``, ``spool``  lines about what was asked, until they are taken
- ``server``     the process: sockets, control, the zone set in force
- ``dns_server`` the plane: observe the process, start it, give it zones
- ``lookup``     a look-up from the root, for whoever must see what the world sees
"""
