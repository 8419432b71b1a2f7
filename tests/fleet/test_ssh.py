"""One more host, over real SSH."""

from __future__ import annotations

from tests.fleet import secure_shell
from tests.fleet.conftest import skip_aloud


def test_a_host_over_ssh_is_deployed_to_like_the_others(start_host, controller, tmp_path):
    if secure_shell.missing():
        skip_aloud(
            f'a host over SSH; {secure_shell.missing()} missing (Debian: apt install openssh-server)'
        )
    fleet = [start_host(f'host{number}') for number in (1, 2, 3, 4)]
    far = fleet[-1]
    before = far.pids()
    with secure_shell.SshServer(tmp_path / 'ssh') as server:
        if server.locked_out():
            skip_aloud('a host over SSH; the account of this user is locked')
        far.connection = server.variables()
        played = controller.play('deploy.yml', fleet, release=2)
        again = controller.play('deploy.yml', fleet, release=2)
        said = server.log()
    assert played.status == 0, said
    assert all(host.serving() == ['2', '2'] for host in fleet)
    assert not set(before.values()) & set(far.pids().values())
    assert 'Accepted publickey' in said
    assert (again.status, again.changed()) == (0, 0)
