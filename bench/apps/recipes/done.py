"""What a task leaves behind: a line with its number, when it has done its work."""

import os
import time


def work(number):
    """TASK_SECONDS of work, and a line at its end."""
    time.sleep(float(os.environ['TASK_SECONDS']))
    with open(os.environ['DONE'], 'a') as file:
        file.write(f'{number}\n')
