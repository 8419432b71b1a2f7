from __future__ import annotations

import signal

# Whoever runs the tests in the background or under nohup hands down ignored signals, which the
# tests, and the programs that they start, are to receive.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
