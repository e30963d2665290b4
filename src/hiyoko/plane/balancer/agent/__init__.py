"""The process beside a node whose rules want to know whose a request is.

HAProxy asks it by ``guards.lua``; one answer says what becomes of the request:

- ``server``    a request of HAProxy's in, an answer out
- ``oidc``      authenticate-oidc: the login, the session and its renewal
- ``bearer``    jwt-validation: tokens and the keys that they are checked with
- ``provider``  what is asked of an identity provider, with the node's own packets and names
- ``config``    the file that says all of this; read again when it changes
- ``answer``  ``seal``  ``identity``  answers, sealed cookies, the headers that targets get   (pure)

It keeps nothing that could not be lost: a session is a sealed cookie that any node opens.
"""
