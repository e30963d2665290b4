"""hiyoko: publish a web site the way AWS does, on one machine with real packets, then on AWS.

Read ARCHITECTURE.md first; the packages follow the flow of data:

- ``site``        a user's ``site.yaml`` becomes a CloudFormation template (pure)
- ``spec``        what AWS says: botocore's models as shapes and codecs (pure)
- ``template``    CloudFormation's language: parse, intrinsics, graph, change set (pure)
- ``gateway``     HTTP in: signing, protocols, errors
- ``api``         the contract between the gateway and the services
- ``services``    what AWS promises; one transaction per call writes wishes
- ``store``       SQLite: wishes and sightings
- ``blueprint``   rows become frozen data: all that must exist (pure)
- ``reach``       questions to a blueprint: can A reach B, and which rule says no (pure)
- ``reconcile``   the blueprint against what the kernel and the processes say of themselves
- ``plane``       namespaces, nftables, HAProxy, DNS, CA, runc: what is real
- ``cli``         an ordinary client of the gateway
"""

VERSION = "0.1.0"
