"""Every key that names a file with a certificate or a key is known."""

from __future__ import annotations

from sidecar.rules.credential_files import credential_files
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given

TEXT = """\
version: 1
listeners:
  - {name: plain, address: ":1"}
  - name: public
    address: :2
    tls:
      certificate: /a.crt
      private_key: /a.key
      certificates: [{certificate: /b.crt, private_key: /b.key}]
      client_ca: /ca.crt
upstreams:
  app:
    endpoints: [https://127.0.0.1:3000]
    tls: {ca: /ca.crt, certificate: /c.crt, private_key: /c.key}
routes: [{name: all, upstream: app}]
"""


def test_each_is_told_with_its_key() -> None:
    assert list(credential_files(load_text(TEXT, "f", Given()).rules)) == [
        ("listeners.public.tls.certificate", "/a.crt"),
        ("listeners.public.tls.private_key", "/a.key"),
        ("listeners.public.tls.certificates.0.certificate", "/b.crt"),
        ("listeners.public.tls.certificates.0.private_key", "/b.key"),
        ("listeners.public.tls.client_ca", "/ca.crt"),
        ("upstreams.app.tls.ca", "/ca.crt"),
        ("upstreams.app.tls.certificate", "/c.crt"),
        ("upstreams.app.tls.private_key", "/c.key"),
    ]
