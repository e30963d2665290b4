"""The log driver: containers' output on its way to CloudWatch Logs, or to the task's log router.

One small process for the whole cloud, beside the daemon. It reads the files that conmon writes and
sends what is new: with each task's own packets, a socket of the task's network namespace, a name
asked of the VPC's resolver, a request signed with the execution role's session (awslogs); or to the
socket on which the task's router listens (awsfirelens). It imports the standard library alone,
because it stays in memory as long as tasks do.

- ``lines``      conmon's file format                                              (pure)
- ``batches``    lines become events, events the batches that a destination takes  (pure)
- ``formats``    awslogs-datetime-format as a regular expression                   (pure)
- ``order``      what the daemon wants of a container's log; how far it was sent
- ``sender``     what both destinations have in common; ``senders`` tells which one it is
- ``cloudwatch`` PutLogEvents; ``client`` is names, TLS and HTTP, ``signing`` Signature Version 4
- ``router``     a router's socket and what it acknowledges; ``forward`` is its protocol (pure)
- ``tail``       one container's log: read, send, keep or drop what does not go
- ``counting``   how many lines wait, or are lost
- ``driver``     the process: which logs there are, and what wakes them
- ``control``    how the daemon starts it and tells it of a container

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_firelens.html
"""
