"""What the user says: a CloudFormation template, read and judged without touching anything (pure).

- ``document``       YAML (with the short forms) or JSON text into plain data, with line numbers
- ``model``          a checked template: parameters, resources, outputs
- ``read``           document to model: sections, shapes and limits, in AWS's words
- ``parameters``     the values of a stack's parameters, checked against their declarations
- ``functions``      Ref, Fn::GetAtt, Fn::Sub and the others, resolved against what is known
- ``graph``          who refers to whom; the order that follows; circles
- ``changes``        what an update would do: Add, Modify, Remove, and whether it replaces
- ``resource_type``  how a type is made, changed and removed; services' ``cfn`` register theirs

AWS's reference: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-reference.html
"""
