"""Children that are started from a thread with descriptors of its own: each test in a process of
its own, for the thread never ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from supervisor_restarter.programs.nursery import known_kernel

needs_kernel = pytest.mark.skipif(known_kernel() is None, reason='not known on this machine')

BEGIN = """
import ctypes, errno, gc, os, signal, subprocess, sys, threading, time
from pathlib import Path
from supervisor_restarter.programs import nursery as module
from supervisor_restarter.programs.nursery import Nursery

module.MANY = 0
nursery = Nursery()
null = os.open(os.devnull, os.O_RDWR)

def start(*command, stdout=None, **how):
    child = nursery.start(command, stdin=null, stdout=stdout or null, stderr=subprocess.STDOUT, **how)
    return child

def said_by(*command, **how):
    reading, writing = os.pipe()
    start(*command, stdout=writing, **how)
    os.close(writing)
    with open(reading) as said:
        return said.read()

def threads():
    return sorted(map(int, os.listdir('/proc/self/task')))

def of_thread(name):
    (other,) = {*threads()} - {os.getpid()}
    return Path(f'/proc/self/task/{other}/{name}')

def status_of(text, name):
    (line,) = (line for line in text.splitlines() if line.startswith(name + ':'))
    return line.split()[1]

def refuse(number):
    real = module.Kernel.call
    module.Kernel.call = lambda self, which, *rest: -1 if which == number else real(self, which, *rest)
"""


def said_by(script):
    """What the script prints, having the nursery of BEGIN; all that goes wrong is an error."""
    done = subprocess.run(
        [sys.executable, '-c', BEGIN + script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ''), done.stderr
    return done.stdout.split('\n')[:-1]


# -- what a child is -----------------------------------------------------------------------------

SEEN = """
for number in (40, 900):
    os.dup2(1, number)
print(*sorted(said_by('/bin/ls', '/proc/self/fd').split()))
print(len(threads()), os.get_inheritable(900), *sorted(os.listdir(of_thread('fd'))))
"""


@needs_kernel
def test_it_has_three_descriptors_and_the_thread_none():
    """ls has opened the fourth itself."""
    assert said_by(SEEN) == ['0 1 2 3', '2 True']


def test_with_few_descriptors_there_is_no_thread():
    script = 'module.MANY = 256\nprint(said_by("/bin/echo", "here"), threads() == [os.getpid()])'
    assert said_by(script) == ['here', ' True']


@needs_kernel
@pytest.mark.parametrize('switched_on', [True, False])
def test_it_can_be_switched_off(switched_on):
    script = f"nursery.switched_on = {switched_on}\nstart('/bin/true')\nprint(len(threads()))"
    assert said_by(script) == [str(1 + switched_on)]


@needs_kernel
def test_another_thread_gets_none():
    script = """
other = threading.Thread(target=start, args=['/bin/true'])
other.start()
other.join()
print(nursery._thread, nursery._usable)
"""
    assert said_by(script) == ['0 False']


@needs_kernel
def test_the_latest_number_tells_that_there_are_many():
    script = """
module.MANY = 256
start('/bin/true')
print(len(threads()))
os.dup2(null, 256)
start('/bin/true', stdout=256)
print(len(threads()))
"""
    assert said_by(script) == ['1', '2']


@needs_kernel
def test_it_is_a_child_of_the_thread_and_is_waited_for_as_any_other():
    script = """
child = start('/bin/sleep', '100')
print(of_thread('children').read_text().split() == [str(child.pid)])
child.kill()
print(os.waitpid(-1, 0)[0] == child.pid)
"""
    assert said_by(script) == ['True', 'True']


@needs_kernel
@pytest.mark.parametrize('blocked', ['SIGUSR1, signal.SIGRTMAX', 'SIGCHLD'])
def test_the_same_signals_are_blocked_in_it(blocked):
    script = f"""
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.{blocked}])
ours = Path('/proc/self/status').read_text()
its = said_by('/bin/cat', '/proc/self/status')
print(status_of(ours, 'SigBlk') == status_of(its, 'SigBlk') != '0' * 16)
print(status_of(Path('/proc/self/status').read_text(), 'SigBlk') == status_of(ours, 'SigBlk'))
nobody = of_thread('status').read_text()
print(all(int(status_of(nobody, 'SigBlk'), 16) >> number - 1 & 1
    for number in signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP}}))
"""
    assert said_by(script) == ['True', 'True', 'True']


@needs_kernel
def test_its_parent_lives_as_long_as_the_process():
    """A program may have asked for a signal at its parent's end: PR_SET_PDEATHSIG is 1."""
    script = """
program = '''
import ctypes, os, signal
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.write(1, b"asked")
signal.pause()
'''
reading, writing = os.pipe()
child = start(sys.executable, '-c', program, stdout=writing)
assert os.read(reading, 100) == b'asked'
for _ in range(20):
    start('/bin/true').wait()
print(child.poll())
os.close(writing)
print(child.pid, flush=True)
"""
    alive, pid = said_by(script)
    assert alive == 'None'
    with pytest.raises(ProcessLookupError):
        wait_gone(int(pid))


def wait_gone(pid):
    """Wait until init has reaped it, which raises."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        os.kill(pid, 0)
        time.sleep(0.01)


# -- errors --------------------------------------------------------------------------------------


@needs_kernel
def test_what_cannot_be_started_is_said_as_popen_says_it():
    script = """
for how in ({'command': ('/no/such',)}, {'command': ('/bin/true',), 'cwd': '/no/where'}):
    command = how.pop('command')
    for begin in (start, lambda *command, **how: subprocess.Popen(command, **how)):
        try:
            begin(*command, **how)
        except OSError as error:
            print(error.errno, error.filename)
print(said_by('/bin/echo', 'here') + ' '.join(os.listdir(of_thread('fd'))))
"""
    assert said_by(script) == ['2 /no/such'] * 2 + ['2 /no/where'] * 2 + ['here', '']


@needs_kernel
@pytest.mark.parametrize('number', ['CLOSE_RANGE', 'PIDFD_OPEN', 'PIDFD_GETFD'])
def test_where_the_system_refuses_a_call_popen_starts_it(number):
    script = f"""
refuse(module.{number})
for _ in range(3):
    print(said_by('/bin/ls', '/proc/self/fd').split())
print(nursery._usable)
os.fstat(null)
"""
    assert said_by(script) == ["['0', '1', '2', '3']"] * 3 + ['False']


def test_so_it_is_where_there_is_no_way_to_the_kernel():
    script = """
sys.modules['ctypes'] = None
print(said_by('/bin/echo', 'here'), module.known_kernel(), threads() == [os.getpid()])
"""
    assert said_by(script) == ['here', ' None True']


@needs_kernel
def test_and_where_there_may_be_no_more_threads():
    script = """
def refused(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refused
before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
print(said_by('/bin/echo', 'here'), signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before, gc.isenabled())
"""
    assert said_by(script) == ['here', ' True True']


@needs_kernel
def test_and_after_an_error_of_any_other_kind():
    script = """
real = threading.Thread.start
def refused(self):
    threading.Thread.start = real
    raise PermissionError('an audit hook is against it')
threading.Thread.start = refused
try:
    start('/bin/true')
except PermissionError as error:
    print(error)
print(said_by('/bin/echo', 'here'))
"""
    assert said_by(script) == ['an audit hook is against it', 'here', '']


FILTER = """
import struct
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, module.PIDFD_GETFD), (6, 0, 0, 0x80000000), (6, 0, 0, 0x7fff0000)]
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('steps', ctypes.c_char_p)]
program = Program(len(steps), b''.join(struct.pack('HBBI', *step) for step in steps))
library = ctypes.CDLL(None)
assert library.prctl(38, 1, 0, 0, 0) == library.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
"""


@needs_kernel
def test_where_calls_are_filtered_popen_starts_it_lest_the_filter_kills():
    """As with SystemCallFilter= of systemd, which kills who makes a call that is not in its list."""
    script = FILTER + "print(said_by('/bin/echo', 'here'), threads() == [os.getpid()])"
    assert said_by(script) == ['here', ' True']


@needs_kernel
def test_where_no_descriptor_is_left_it_is_said_as_popen_says_it():
    script = """
import resource
module.ALIKE_FOR = 0
start('/bin/true').wait()
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
taken = []
try:
    while True:
        taken.append(os.dup(null))
except OSError:
    pass
for _ in range(2):
    try:
        start('/bin/true')
    except OSError as error:
        print(error.errno == errno.EMFILE)
for number in taken:
    os.close(number)
print(said_by('/bin/echo', 'here'), nursery._usable)
"""
    assert said_by(script) == ['True', 'True', 'here', ' True']


@needs_kernel
def test_where_a_number_is_above_a_limit_of_now_popen_starts_it():
    script = """
import resource
nursery.wake_up_fd = os.dup2(null, 90)
resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
print(said_by('/bin/echo', 'here'), nursery._usable)
"""
    assert said_by(script) == ['here', ' False']


@needs_kernel
def test_after_an_exception_of_a_signal_handler_popen_starts_what_follows():
    """What the thread was asked for last must not be taken for what is asked for next."""
    script = """
def handler(number, frame):
    raise KeyError('from a handler')
signal.signal(signal.SIGALRM, handler)
real = subprocess.Popen
def slow(*arguments, **how):
    if threading.current_thread() is not threading.main_thread():
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(0.5)
        over.append(os.fstat(how['stdout']))
    return real(*arguments, **how)
subprocess.Popen, over = slow, []
try:
    start('/bin/true')
except KeyError as error:
    print(error, len(over))
print(said_by('/bin/echo', 'here'), gc.isenabled())
"""
    assert said_by(script) == ["'from a handler' 1", 'here', ' True']


# -- what is the thread's own --------------------------------------------------------------------


@needs_kernel
@pytest.mark.parametrize(
    'change',
    [
        'os.setpriority(os.PRIO_PROCESS, os.getpid(), 7)',
        'os.sched_setscheduler(os.getpid(), os.SCHED_BATCH, os.sched_param(0))',
        "Path(f'/proc/{os.getpid()}/timerslack_ns').write_text('70000')",
        'os.sched_setaffinity(os.getpid(), {min(os.sched_getaffinity(0))})',
        'ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)',  # no_new_privs
        'ctypes.CDLL(None).personality(0x0040000)',  # addresses are not randomized
        'ctypes.CDLL(None).syscall(module.OF_SCHEDULING[os.uname().machine][1] - 1, 1, 0, 3 << 13)',
    ],
)
def test_where_the_threads_are_not_alike_popen_starts_it(change):
    """As somebody changes them who says `renice` of supervisord's pid."""
    script = f"""
module.ALIKE_FOR = 0
first = start('/bin/sleep', '100')
{change}
second = start('/bin/sleep', '100')
print(of_thread('children').read_text().split() == [str(first.pid)])
for child in (first, second):
    child.kill()
"""
    assert said_by(script) == ['True']


@needs_kernel
@pytest.mark.skipif(os.getuid() != 0, reason='only root can become another user')
def test_a_process_without_rights_has_it_too():
    script = """
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
child = start('/bin/sleep', '100')
print(of_thread('children').read_text().split() == [str(child.pid)])
child.kill()
"""
    assert said_by(script) == ['True']


@needs_kernel
def test_where_they_cannot_be_compared_popen_starts_it():
    """As where there is no /proc."""
    script = """
def nothing(self, thread):
    raise FileNotFoundError
module.Nursery._nature = nothing
child = start('/bin/sleep', '100')
print(repr(of_thread('children').read_text()))
child.kill()
"""
    assert said_by(script) == ["''"]


@needs_kernel
def test_they_are_compared_now_and_then():
    script = """
compared = []
module.Nursery._nature = lambda self, thread: compared.append(thread)
for _ in range(50):
    start('/bin/true')
print(2 <= len(compared) < 100)
"""
    assert said_by(script) == ['True']


@needs_kernel
def test_a_signal_that_comes_to_the_thread_wakes_the_loop():
    """SIGCHLD comes to the thread that is the parent, if it can. Python would complain on stderr."""
    script = """
module.ALIKE_FOR = 1000
signal.signal(signal.SIGCHLD, lambda number, frame: None)
reading, writing = os.pipe()
for number in (reading, writing):
    os.set_blocking(number, False)
nursery.wake_up_fd = os.dup2(writing, 33)
signal.set_wakeup_fd(33, warn_on_full_buffer=False)
real, masks = subprocess.Popen, []
def slow(*arguments, **how):
    previous = start.previous
    if previous:
        os.kill(previous.pid, signal.SIGKILL)
        time.sleep(0.05)
        masks.append(previous.pid)
    return real(*arguments, **how)
subprocess.Popen = slow
start.previous = None
start.previous = start('/bin/sleep', '100')
start.previous = start('/bin/true')
print(set(os.read(reading, 100)) == {signal.SIGCHLD}, len(masks))
print(*os.listdir(of_thread('fd')))
"""
    assert said_by(script) == ['True 1', '']


@needs_kernel
def test_in_it_a_number_means_what_it_means_in_the_process_or_nothing():
    """An audit hook runs in the thread, and may write to a file of its own."""
    script = """
for number in (9, 300):
    os.dup2(1, number)
for number in (8, 301):
    os.dup2(null, number)
nursery.wake_up_fd = 8
seen = []
def hook(event, arguments):
    if event == 'subprocess.Popen' and threading.get_ident() != threading.main_thread().ident:
        for number in range(400):
            try:
                seen.append((number, os.fstat(number).st_ino))
            except OSError:
                pass
sys.addaudithook(hook)
nursery.start(['/bin/echo', 'here'], stdin=301, stdout=300, stderr=9).wait()
print(*(number for number, _ in seen))
print(all(os.fstat(number).st_ino == inode for number, inode in seen))
"""
    assert said_by(script) == ['here', '0 1 2 8 9 300 301', 'True']


@needs_kernel
@pytest.mark.parametrize('closed', [(0,), (1, 2), (0, 1, 2)])
def test_the_process_may_lack_standard_descriptors(closed):
    script = f"""
kept = os.dup2(1, 77), os.dup2(null, 78)
for number in {closed}:
    os.close(number)
nursery.start(['/bin/ls', '/proc/self/fd'], stdin=78, stdout=77, stderr=78).wait()
os.write(77, b'%d\\n' % nursery._usable)
"""
    assert said_by(script) == ['0', '1', '2', '3', '1']


@needs_kernel
@pytest.mark.parametrize('number', [0, 3, 4])
def test_any_number_may_be_the_one_that_wakes_the_loop(number):
    script = f"""
nursery.wake_up_fd = os.dup2(null, {number})
print(said_by('/bin/ls', '/proc/self/fd').split(), len(threads()))
"""
    assert said_by(script) == ["['0', '1', '2', '3'] 2"]


@needs_kernel
def test_no_finalizer_runs_in_it():
    script = """
collected = []
gc.callbacks.append(lambda phase, info: collected.append(threading.get_ident()))
gc.set_threshold(1, 1, 1)
for _ in range(30):
    start('/bin/true').wait()
print(set(collected) == {threading.get_ident()}, gc.isenabled())
"""
    assert said_by(script) == ['True True']


@needs_kernel
def test_nor_does_popen_close_there_what_others_have_dropped():
    """Popen forgets those that were dropped before their end, once they have ended."""
    script = """
import warnings
warnings.simplefilter('ignore')
start('/bin/true').wait()
before = len(os.listdir('/proc/self/fd'))
for _ in range(3):
    reading, writing = os.pipe()
    theirs = subprocess.Popen(['/bin/cat'], stdin=reading, stdout=subprocess.PIPE)
    pid, theirs = theirs.pid, None
    os.close(reading)
    os.close(writing)  # now it ends
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    start('/bin/true').wait()
print(len(os.listdir('/proc/self/fd')) - before)
"""
    assert said_by(script) == ['0']


@needs_kernel
def test_nor_is_the_collector_switched_on_where_it_was_off():
    assert said_by("gc.disable()\nstart('/bin/true')\nprint(gc.isenabled())") == ['False']


@needs_kernel
def test_it_survives_the_loss_of_all_descriptors_of_the_process():
    """As at a reload of supervisord, which closes whatever it finds."""
    script = """
start('/bin/true')
os.closerange(3, 100)
null = os.open(os.devnull, os.O_RDWR)
print(said_by('/bin/echo', 'here'), len(threads()))
"""
    assert said_by(script) == ['here', ' 2']
