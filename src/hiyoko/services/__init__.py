"""What AWS promises. One package per service, named as botocore names it.

A service keeps wishes and computes states from wishes and sightings. It knows no plane, no HTTP
and no neighbour but through the neighbour's ``model``, ``rows`` and ``seen``, or by
``call.invoke`` inside its own transaction.
"""
