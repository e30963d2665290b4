"""The user's wish: ``site.yaml`` in, a CloudFormation template out. Pure.

- ``model``       what a site.yaml may say, with the secure defaults
- ``load``        YAML text to model; every error names file, line, field and remedy
- ``template``    model to CloudFormation resources: the only description of the architecture
- ``render``      resources to readable YAML, with a comment a section
- ``starter``     the commented file that ``hiyoko init`` writes
"""
