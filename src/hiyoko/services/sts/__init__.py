"""STS: who is calling, and temporary keys.

GetCallerIdentity, AssumeRole and GetSessionToken. Sessions are recorded, so that a call with a
session's key is answered as that role. Trust policies are not evaluated and sessions do not expire
for other calls (signatures can't be verified; see the gateway's ``sigv4``).

https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html

- ``model``     Session
- ``sessions``  the table, and who a key belongs to
- ``tokens``    the operations
"""

from . import tokens  # noqa: F401
