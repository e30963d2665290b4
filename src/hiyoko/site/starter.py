"""The site.yaml that ``hiyoko init`` writes."""

STARTER = """\
# A site for hiyoko. `hiyoko up` publishes it here, `hiyoko up --target aws` on AWS.
# Names are Compose's where Compose has one. An editor that reads JSON Schema knows them all:
# hiyoko init --schema > site.schema.json

name: my-site                # of the site and its stack
domain: www.example.com      # without a domain: tasks with a public address, no load balancer
zone: example.com            # hosted zone that holds the domain (default: the domain itself)
# region: ap-northeast-1
# redirects: [example.com]   # further names that redirect to the domain

services:
  web:
    image: public.ecr.aws/nginx/nginx   # pulled through the NAT gateway
    expose: 80                          # port that the container listens on
    # command: nginx -g 'daemon off;'
    # environment:
    #   GREETING: hello
    # path: /api/*                      # which paths of the domain come here (default: all)
    # host: api.example.com             # or a host name of its own
    healthcheck:
      path: /                           # must answer 200
    deploy:
      replicas: 2                       # one in each Availability Zone
      # cpu: 256                        # 1024 are one core
      # memory: 512                     # MiB

# What tasks may reach outside. The default is TCP 443 only: the registry, the logs, AWS's APIs.
# egress:
#   - 443
#   - 587/tcp
#   - {port: 5432, to: 192.0.2.0/24}
"""
