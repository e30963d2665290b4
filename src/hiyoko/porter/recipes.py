"""What the built images hold: Debian packages, and a few files of our own."""

from __future__ import annotations

from dataclasses import dataclass

APPLETS = (
    "ash", "awk", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "df", "dirname", "du",
    "echo", "env", "expr", "false", "find", "grep", "head", "hostname", "id", "ip", "kill", "ln",
    "ls", "mkdir", "mv", "nc", "netstat", "nslookup", "ping", "printenv", "printf", "ps", "pwd",
    "rm", "sed", "seq", "sh", "sleep", "sort", "stat", "tail", "tar", "tee", "test", "timeout",
    "top", "touch", "tr", "true", "uname", "uniq", "vi", "wc", "wget", "which", "whoami", "xargs",
)  # fmt: skip
"""busybox by other names: enough for health checks and for a look around."""

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
)
GROUP = "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n"

_NGINX_CONF = """\
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log notice;

events {
    worker_connections 1024;
}

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log combined;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
"""
_NGINX_SITE = """\
server {
    listen 80 default_server;
    server_name _;
    root /usr/share/nginx/html;
    index index.html;
}
"""
_NGINX_PAGE = """\
<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the nginx web server is successfully installed and working.</p>
</body>
</html>
"""
_HTTPD_CONF = """\
ServerRoot /usr/local/apache2
Listen 80
ServerName localhost
PidFile /run/httpd.pid
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
User www-data
Group www-data
TypesConfig conf/mime.types
DocumentRoot /usr/local/apache2/htdocs
DirectoryIndex index.html
ErrorLog /proc/self/fd/2
LogLevel warn
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
CustomLog /proc/self/fd/1 common
<Directory />
    Require all denied
</Directory>
<Directory /usr/local/apache2/htdocs>
    Require all granted
</Directory>
"""
_MIME_TYPES = (
    "text/html html htm\ntext/css css\ntext/plain txt\ntext/javascript js\n"
    "application/json json\nimage/svg+xml svg\nimage/png png\nimage/jpeg jpg jpeg\n"
    "image/x-icon ico\n"
)
_SAMPLE_PAGE = """\
<!DOCTYPE html>
<html>
<head><title>Amazon ECS sample, hatched by hiyoko</title></head>
<body>
<h1>It works.</h1>
<p>This page was served by a container of an Amazon ECS task that runs on your own machine.</p>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image: packages, files (path, content, mode), links (path, target), directories."""

    packages: tuple[str, ...]
    files: tuple[tuple[str, str, int], ...]
    links: tuple[tuple[str, str], ...]
    directories: tuple[tuple[str, int], ...]
    command: tuple[str, ...]
    port: int
    stop_signal: str
    drop: tuple[str, ...] = ()


_USERS = (("etc/passwd", PASSWD, 0o644), ("etc/group", GROUP, 0o644))
_DIRECTORIES = (("tmp", 0o1777), ("run", 0o755), ("root", 0o700), ("var/tmp", 0o1777))

NGINX = Recipe(
    packages=("nginx-light", "busybox-static"),
    files=(
        *_USERS,
        ("etc/nginx/nginx.conf", _NGINX_CONF, 0o644),
        ("etc/nginx/conf.d/default.conf", _NGINX_SITE, 0o644),
        ("usr/share/nginx/html/index.html", _NGINX_PAGE, 0o644),
    ),
    links=(
        ("var/log/nginx/access.log", "/dev/stdout"),
        ("var/log/nginx/error.log", "/dev/stderr"),
    ),
    directories=(*_DIRECTORIES, ("var/lib/nginx", 0o755), ("var/log/nginx", 0o755)),
    command=("nginx", "-g", "daemon off;"),
    port=80,
    stop_signal="SIGQUIT",
)


_HTTPD_DROPPED = (
    "usr/bin/perl",
    "usr/share/perl",
    "usr/share/perl5",
    *(
        f"usr/lib/x86_64-linux-gnu/{name}"
        for name in ("perl", "perl-base", "libicudata.so.72.1", "libicui18n.so.72.1")
    ),
)
"""What only modules need that are not loaded: half of the image."""


def _httpd(page: str) -> Recipe:
    return Recipe(
        packages=("apache2-bin", "busybox-static"),
        files=(
            *_USERS,
            ("usr/local/apache2/conf/httpd.conf", _HTTPD_CONF, 0o644),
            ("usr/local/apache2/conf/mime.types", _MIME_TYPES, 0o644),
            ("usr/local/apache2/htdocs/index.html", page, 0o644),
            (
                # By its whole path: busybox's shell would take its own httpd.
                "usr/local/bin/httpd-foreground",
                '#!/bin/sh\nrm -f /run/httpd.pid\nexec /usr/local/bin/httpd -DFOREGROUND "$@"\n',
                0o755,
            ),
            (
                "usr/local/bin/httpd",
                '#!/bin/sh\nexec /usr/sbin/apache2 -f /usr/local/apache2/conf/httpd.conf "$@"\n',
                0o755,
            ),
        ),
        links=(),
        directories=_DIRECTORIES,
        command=("httpd-foreground",),
        port=80,
        # Apache's graceful stop (https://httpd.apache.org/docs/2.4/stopping.html).
        stop_signal="SIGWINCH",
        drop=_HTTPD_DROPPED,
    )


RECIPES = {
    "nginx": NGINX,
    "httpd": _httpd("<html><body><h1>It works!</h1></body></html>\n"),
    "amazon-ecs-sample": _httpd(_SAMPLE_PAGE),
}
