"""Public SSH keys for tests, made by ssh-keygen; nobody has the private ones."""

from __future__ import annotations

import base64

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINzFeu/cLNx+K9JAo6/8YNQxO3z6qokAe8F8O1E/Acf/"
P256 = (
    "ecdsa-sha2-nistp256 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOTou68CUEyD6nIZVDs5swhd2ni4ae43g0xbCqNxfRZ"
    "ni0KVCnRy2yD66fOQZsHjyln0xX/DNhTgLeUQ1rXw7qw="
)
P384 = (
    "ecdsa-sha2-nistp384 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBEz1ROdpgUv4mjXWvlr7yIxKBvGOikzoapa/NVx+kvB"
    "UU5QLNPPv0ixkm7RNsKrPzQpvBPP71dV1L8DklGF080guG/U8izTqWBQgnvocI9zvLVBHf3c1F2K3Wc20ziv5Uw=="
)
P521 = (
    "ecdsa-sha2-nistp521 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAE9Je0W8IhIedVbF/xKgBQ2uHpMMuOzBg8RyIpDWM3"
    "6ujKTntLGQIoCk6Bd02KSc9VQSBJMRpCu7Y60Hg1E/iwuygGuv50Z7uwIDcDr7Q0+WHNtQ0KiEsodRetoKuwcj1kjvwjtWv"
    "gBPYo1tOQz0Co35Jg5uDdr+beTIyMGgQbeBK+MXw=="
)
RSA = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQCtzGUUVGzxQfKh9FL/KBlxgVvnOBymr1yhFrua+ylNNou7qwvU9+CLy/yJs1SKLC+"
    "3BI6qudIQFaId9zrzQ3OqZ0ASWw8NxX8nRnBvlTs9ozxa5hG7EdWKCN/fNbnG5umcl/cyhTzKs6Irxu/R/ooL7pKVyuKPYY"
    "P9KT8KeJSz/GA+YY6Vac7+ZaTeKInzIKadGIxZkHJ3iHTx8k3+6mX+7kNrgAh2TKJtgKirbFc82VJMwMaCfexqIIOvbv7QM"
    "U0B9tiBHPwBKBBjTzWb0vOoSbdYcOf/GfaOxpLnZvW9OYRp8IQDHbczB6Wu9/zFQg9MKzvETST0C6Dx0DgVep4V"
)
SHORT_RSA = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAADAQABAAAAgQC6TbgnccMzqHdibhURUbD2gyGqsL1Kd1EMrHEy9Rqmxi4XBjmb3lhIDvCEFKWMdO1"
    "fdVyiL/iBkY/oxug7r4RJmx0wa6ZSLyBV81+KZA1Byc/wbepLPtM1oKPj4SEi5dA70n+9E1W7MGeh7GaACLYRTb9RRnlcPW"
    "hOu5YCTrWW7w=="
)


def wire(*fields: bytes) -> str:
    """A key of these fields, each after its length, as base64."""
    return base64.b64encode(b"".join(len(one).to_bytes(4) + one for one in fields)).decode()


def ed25519(number: int) -> str:
    """The key that has this number: no two are equal."""
    return "ssh-ed25519 " + wire(b"ssh-ed25519", number.to_bytes(32))
