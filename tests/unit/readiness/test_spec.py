"""What RESTARTER_READY may say."""

from __future__ import annotations

import os
import socket
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from supervisor_restarter import commands
from supervisor_restarter.commands import MOST_CHARACTERS
from supervisor_restarter.readiness.spec import ALLOWED, MOST_PATH_BYTES, Spec, parse

UNIX, V4, V6 = socket.AF_UNIX, socket.AF_INET, socket.AF_INET6
LONGEST = '/' + 'x' * (MOST_PATH_BYTES - 1)
UTF8 = sys.getfilesystemencoding() == 'utf-8'

# fmt: off


@pytest.mark.parametrize(('text', 'kind', 'addresses'), [
    ('tcp://10.1.2.3:1',           'tcp',  [(V4, ('10.1.2.3', 1))]),
    ('tcp://[FE80:0::0:1]:65535',  'tcp',  [(V6, ('fe80::1', 65535))]),
    ('tcp://[::ffff:127.0.0.1]:5', 'tcp',  [(V6, ('::ffff:7f00:1', 5))]),
    ('tcp://localhost:8001',       'tcp',  [(V4, ('127.0.0.1', 8001)), (V6, ('::1', 8001))]),
    ('tcp://0.0.0.0:8001',         'tcp',  [(V4, ('127.0.0.1', 8001))]),
    ('tcp://[::]:8001',            'tcp',  [(V6, ('::1', 8001))]),
    (' \ttcp://127.0.0.1:8001 ',   'tcp',  [(V4, ('127.0.0.1', 8001))]),
    ('unix:///run/a#b?c@d:1',      'unix', [(UNIX, '/run/a#b?c@d:1')]),
    (f'unix://{LONGEST}',          'unix', [(UNIX, LONGEST)]),
    ('notify',                     'notify', []),
])
def test_addresses(text, kind, addresses):
    assert parse(text) == Spec(text.strip(), kind, tuple(addresses))


@pytest.mark.skipif(not UTF8, reason='such a path cannot be expressed')
def test_a_path_beyond_ascii():
    assert parse('unix:///home/jörg/s').addresses == ((UNIX, '/home/jörg/s'),)


@pytest.mark.parametrize(('kind', 'rest', 'port', 'target', 'host'), [
    ('http',         '127.0.0.1',             80,   '/',     '127.0.0.1'),
    ('http',         '127.0.0.1:8001/',       8001, '/',     '127.0.0.1:8001'),
    ('http',         '127.0.0.1//a:b@c/%20?d=[e]&f://g', 80, '//a:b@c/%20?d=[e]&f://g', '127.0.0.1'),
    ('https',        '127.0.0.1',             443,  '/',     '127.0.0.1'),
    ('https+verify', '127.0.0.1:8443/up?x',   8443, '/up?x', '127.0.0.1:8443'),
    ('http',         '0.0.0.0:5/',            5,    '/',     '0.0.0.0:5'),  # as it was written
])
def test_http(kind, rest, port, target, host):
    text = f'{kind}://{rest}'
    assert parse(text) == Spec(text, kind, ((V4, ('127.0.0.1', port)),), target, host)


@pytest.mark.parametrize(('rest', 'path', 'target'), [
    ('/run/app.sock',                    '/run/app.sock',   '/'),
    ('/run/app.sock:/',                  '/run/app.sock',   '/'),
    ('/run/app.sock:/go?to=http://x:/y', '/run/app.sock',   '/go?to=http://x:/y'),
    ('/run/a:b/c.sock:/up',              '/run/a:b/c.sock', '/up'),
    (f'{LONGEST}:/up',                   LONGEST,           '/up'),
])
def test_http_over_a_unix_socket(rest, path, target):
    text = f'http+unix://{rest}'
    assert parse(text) == Spec(text, 'http+unix', ((UNIX, path),), target, 'localhost')


@pytest.mark.parametrize(('text', 'command'), [
    ('exec: check  --port 80 ',          ['check', '--port', '80']),
    ('exec:sh -c \'test -f "a b"\'',     ['sh', '-c', 'test -f "a b"']),
    ('exec:a\\ b "" #c',                 ['a b', '', '#c']),
    ('exec:check ; rm $HOME && x > y',   ['check', ';', 'rm', '$HOME', '&&', 'x', '>', 'y']),
    ('exec:prüfe é',                     ['prüfe', 'é']),
])
def test_commands(text, command):
    assert parse(text) == Spec(text.strip(), 'exec', command=tuple(command))


REFUSED = {
    'kind': [
        '', ' ', 'notify://', 'Notify', 'notify ready', '127.0.0.1:80', '://', 'tcp', 'tcp:',
        'TCP://127.0.0.1:5', 'tcp:/127.0.0.1:5', 'udp://127.0.0.1:5', 'httpss://127.0.0.1',
        'https+none://127.0.0.1', 'https+unix:///run/app.sock', 'exec', 'EXEC:x',
    ],
    'command': [
        'exec:', 'exec: ', 'exec:""', "exec:'' x", "exec:sh -c 'x", 'exec:a\\', 'exec:a\nb',
        'exec:a\x00b', 'exec:\udcff', 'exec:' + 'x' * MOST_CHARACTERS,
    ],
    'port': [
        'tcp://127.0.0.1', 'tcp://127.0.0.1:', 'tcp://127.0.0.1:0', 'tcp://127.0.0.1:65536',
        'tcp://127.0.0.1:-1', 'tcp://127.0.0.1:080', 'tcp://127.0.0.1:1_0', 'tcp://127.0.0.1:８０',
        'http://127.0.0.1:/', 'https://127.0.0.1:0/',
    ],
    'host': [
        'tcp://', 'tcp://:80', 'tcp://example.com:80', 'tcp://Localhost:80', 'tcp://127.1:80',
        'tcp://127.0.0.01:80', 'tcp://256.0.0.1:80', 'tcp://١٢٧.0.0.1:80', 'tcp://::1:80',
        'tcp://[::1]80', 'tcp://[127.0.0.1]:80', 'tcp://[localhost]:80', 'tcp://[]:80',
        'tcp://[fe80::1%eth0]:80', 'tcp://[::g]:80', 'tcp://[:::]:80', 'http:///path',
        'https+verify://',
    ],
    'what does not belong there': [
        'tcp://u:p@127.0.0.1:80', 'http://u@127.0.0.1:80/', 'http://127.0.0.1:80@10.0.0.1/',
        'tcp://127.0.0.1:80/', 'http://127.0.0.1?x', 'http://127.0.0.1/#x', 'http://127.0.0.1#/',
        'http://127.0.0.1\\@10.0.0.1/', 'http://127.0.0.1/ä',
    ],
    # most of all those that would begin a header
    'blanks and control characters': [
        'http://127.0.0.1/ HTTP/1.0', 'http://127.0.0.1/\r\nX:y', '\nnotify', 'http://127.0.0.1/\x00',
        'http://127.0.0.1/\x85', 'http://127.0.0.1/\xa0', 'http://127.0.0.1/\u2028',
        'tcp://127.0.0.1 :80', 'tcp://127.0.0.1:80\n',
    ],
    'path': [
        'unix:/run/app.sock', 'unix://run/app.sock', 'unix://', 'unix://@abstract',
        'unix://\x00abstract', 'unix:///a b', 'unix:///\udcff', f'unix://{LONGEST}x',
        'unix:///' + 'ö' * (MOST_PATH_BYTES // 2 + 1),
        'http+unix://', 'http+unix://run/app.sock:/x', 'http+unix:///run/app.sock:',
        'http+unix:///run/app.sock::/x', 'http+unix:///run/app.sock:/#x', 'http+unix://:/x',
        f'http+unix://{LONGEST}x:/up', 'http://127.0.0.1/' + 'x' * MOST_CHARACTERS,
    ],
}
# fmt: on


@pytest.mark.parametrize('texts', REFUSED.values(), ids=REFUSED)
def test_what_is_refused(texts):
    for text in texts:
        with pytest.raises(ValueError) as caught:
            parse(text)
        line = str(caught.value)
        assert line.isprintable()
        assert line.endswith(ALLOWED)
        assert line.startswith(repr(text)[:8])
        assert len(line) < 400


def test_a_path_that_file_names_cannot_express(monkeypatch):
    def refuse(path):
        raise UnicodeEncodeError('ascii', path, 0, 1, 'why\nnot')

    monkeypatch.setattr(os, 'fsencode', refuse)
    monkeypatch.setattr(commands, 'fsencode', refuse)
    for text in ('unix:///run/app.sock', 'http+unix:///run/app.sock:/x', 'exec:check'):
        with pytest.raises(ValueError, match='encoding of file names'):
            parse(text)


# fmt: off
PIECES = st.sampled_from([
    'tcp://', 'http://', 'https://', 'https+verify://', 'unix://', 'http+unix://', 'exec:', 'notify',
    '"', "'", '\\', 'localhost', '127.0.0.1', '[::1]', '[', ']', ':', '80', '0', '/', '?', '#', '@',
    '%', ' ', '\r\n', '\x00', 'x', 'ä', '\ud800', '\u202e', '9' * 5000,
])
# fmt: on


def outcome(text):
    """The spec, or the line with which it is refused."""
    try:
        return parse(text)
    except ValueError as error:
        return str(error)


@given(st.text() | st.lists(PIECES, max_size=8).map(''.join))
@example('tcp://[' + ':' * 900 + ']:1')
def test_any_text_is_a_spec_or_refused_with_one_line(text):
    result = outcome(text)
    if isinstance(result, str):
        assert result.isprintable()
        assert len(result) < 400
    else:
        assert result.text == text.strip(' \t')
        assert result.text.isprintable()
        assert (result.target + result.host).isascii()
        assert ' ' not in result.target + result.host
        assert bool(result.addresses) == (result.kind not in ('notify', 'exec'))
        assert bool(result.command) == (result.kind == 'exec')
        assert bool(result.target) == ('http' in result.kind)
