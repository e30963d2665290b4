"""What AWS says: operations and shapes from botocore's service models, and the five protocols.

- ``archive``    botocore's big JSON cut once into small marshalled pieces, read one by one
- ``shapes``     the frozen tree: Service, Operation, Use (a shape as used by a member), Shape
- ``service``    Specs: services and operations by name, built on first use
- ``http``       a request and a response without any HTTP library
- ``query``, ``ec2``, ``json``, ``rest_json``, ``rest_xml``   one codec a protocol
- ``rest``, ``xml_out``, ``xml_in``, ``form``, ``stamps``     what the codecs share
- ``validate``   required, enum, range, length, pattern: AWS's wording for each protocol family
- ``conform``    does a response fit its output shape (for tests)

Nothing here knows a service by heart, does I/O beyond its cache, or imports anything else of ours.
"""
