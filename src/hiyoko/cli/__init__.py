"""The command line: an ordinary client. It speaks AWS's API and a few ``/_hiyoko`` paths.

- ``main``    options and commands; the one place that turns errors into messages and exit status
- ``target``  where a site is deployed: the local cloud or AWS, through the same boto3 calls
- one file per command, or per few that belong together
"""
