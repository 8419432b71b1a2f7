"""What a task leaves behind: a line with its number, when it has done its work."""

import os
import time


def work(number):
    """Half a second of work, and a line at its end."""
    time.sleep(0.5)
    with open(os.environ['DONE'], 'a') as file:
        file.write(f'{number}\n')
