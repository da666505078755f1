"""Peer links: what they are secured with by the settings, and how the node comes to use it.

Settings say which of the two ways it is, if any (`securing`); this module loads it, before anything
is touched, so that a mistake ends the start with words and status 2, and later hangs it between
links, views and what HUP reads again. It refuses to know what is in the files.
"""

from __future__ import annotations

from gcounterd.daemon.driver import Driver
from gcounterd.daemon.reloading import Reloading
from gcounterd.daemon.securing import Securing
from gcounterd.daemon.settings import Settings
from gcounterd.daemon.views import Views
from gcounterd.ids import NodeId
from gcounterd.security.keyring import read_keyring
from gcounterd.security.peers import Contexts, Files, load_files, load_pair


def open_securing(settings: Settings) -> Securing | None:
    """Load what the settings name, None where they name nothing; raise `ConfigError`."""
    cluster, name, address = settings.cluster, settings.name, str(settings.advertise)
    keys = settings.cluster_key_file
    if keys is not None:

        def make() -> Contexts:
            keyring = read_keyring(keys)
            pair, authorities = keyring.sign(cluster, name), keyring.authorities(cluster)
            return load_pair(pair, authorities, cluster, name)

        return Securing("key", make, address)
    certificate, key, authorities = settings.tls_cert, settings.tls_key, settings.tls_ca
    if certificate is None or key is None or authorities is None:
        return None
    files = Files(certificate, key, authorities)
    return Securing("certificates", lambda: load_files(files, cluster, name), address)


def secure(securing: Securing, driver: Driver, views: Views, reloading: Reloading) -> None:
    """Have all links secured from now on."""
    roster = driver.node.roster

    def name_of(node: NodeId) -> str | None:
        entry = roster.get(node)
        return None if entry is None else entry.name

    securing.name_of = name_of
    driver.transport.secrets = securing
    views.securing = securing
    reloading.add("peer security", securing.read)
