# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers of DockerLab (see dockerlab.py): nginx configurations, certificates, the image."""
import io
import os
import re
import shutil
import subprocess
import tarfile

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def server_conf(answer, status, body, cert, where, listen, extra=""):
    """An nginx configuration that answers everything with `body`, and says in headers who it is
    and what client address it saw."""
    lines = "\n".join(f"listen {at}{' ssl' if at.endswith(':443') else ''}{tail};"
                      for at, tail in listen)
    temp = "\n".join(f"{k}_temp_path {where}/{k};"
                     for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (f"daemon off; user root; pid {where}/pid; error_log stderr; {extra}\n"
            f"events {{ worker_connections 64; }}\nhttp {{\naccess_log off;\n{temp}\nserver {{\n"
            f"{lines}\nssl_certificate {cert}.crt; ssl_certificate_key {cert}.key;\n"
            f"default_type text/plain; add_header X-Answered-By {answer} always;\n"
            f"add_header X-Saw-Client $remote_addr always;\n"
            f"location / {{ return {status} '{body}\\n'; }}\n}}\n}}\n")


def make_certificate(common_name, out):
    """A self-signed pair as out.crt and out.key."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                    f"/CN={common_name}", "-keyout", f"{out}.key", "-out", f"{out}.crt"],
                   check=True, capture_output=True)


def build_image(scratch, ports):
    """A root file system as tar: nginx under the name traefik, as one process, and its libraries.
    Its traefik.conf listens on `ports`, its web.conf on 8080 alone.

    Traefik itself is no Debian package; what edgepath can see of it (comm, exe, ports, the
    404 body, the default certificate's name) is as Traefik has it.
    """
    make_certificate("TRAEFIK DEFAULT CERT", f"{scratch}/default")
    nginx = shutil.which("nginx", path=SYSTEM_PATH)
    libs = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", nginx], check=True, text=True,
                                                     capture_output=True).stdout)
    files = {"etc/passwd": "root:x:0:0:root:/:/bin/false\n", "etc/group": "root:x:0:\n"}
    for name, listen in (("traefik", ports), ("web", (8080,))):
        files[f"etc/{name}.conf"] = server_conf(
            "$hostname", 404, "404 page not found", "/etc/default", "/tmp",
            [(f"[::]:{port}", " ipv6only=off") for port in listen], "master_process off;")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("tmp", "var/log/nginx", "var/lib/nginx"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
        for suffix in ("crt", "key"):
            tar.add(f"{scratch}/default.{suffix}", f"etc/default.{suffix}")
        tar.add(os.path.realpath(nginx), "usr/local/bin/traefik")
        for lib in libs:
            tar.add(os.path.realpath(lib), lib.lstrip("/"))
    return out.getvalue()
