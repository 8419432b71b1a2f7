# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""How supervisord is reached: options that all modules have."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  config:
    description:
      - The configuration file whose section C([supervisorctl]) says where supervisord listens, and with which user
        and password it is asked.
      - If neither this nor O(serverurl) is given, it is looked for where supervisorctl looks, which is
        C(../etc/supervisord.conf) and C(../supervisord.conf) beside the directory of supervisorctl itself,
        C(supervisord.conf) and C(etc/supervisord.conf) in the current directory (of a module, that is mostly the
        home of the user who logs in), C(/etc/supervisord.conf) and C(/etc/supervisor/supervisord.conf).
      - As in supervisorctl, C([include]) is not followed, C(here) and the environment are expanded (the module's, which
        is not that of a login), and without C(serverurl) in that section it is V(http://localhost:9001).
    type: path
  serverurl:
    description:
      - Where supervisord listens, as V(unix:///run/supervisor.sock) or V(http://127.0.0.1:9001) (or C(https), behind a
        proxy that speaks TLS; its certificate is checked).
      - A path behind the port is kept; without one it is C(/RPC2). Proxies that the environment names are not used.
      - A user and a password can be part of it, percent-encoded, as in V(http://user:secret@127.0.0.1:9001).
      - It comes before what O(config) says. If it is given without O(config), no configuration file is read.
    type: str
  username:
    description:
      - The user, where supervisord asks for one. It comes before those of O(config) and O(serverurl).
    type: str
  password:
    description:
      - The password of that user. It comes before those of O(config) and O(serverurl).
    type: str
notes:
  - The module runs on the host of supervisord, with Python 3.8 or later and nothing besides its standard library. The
    socket of supervisord usually belongs to root, so that C(become=true) is needed.
  - The module tries to connect for 10 seconds, and waits 60 seconds for an answer. If the connection breaks while it
    follows a restart, it tries again for 30 seconds. The restart goes on meanwhile, as supervisord carries it out.
requirements:
  - supervisord with the plugin supervisor-restarter in its configuration (a section C([rpcinterface:restarter]))
"""
