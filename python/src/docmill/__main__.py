"""`python -m docmill` is the program."""

import os
import sys

from docmill._binary import binary

os.execv(binary(), [binary(), *sys.argv[1:]])
