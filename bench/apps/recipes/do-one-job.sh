#!/bin/sh
# A job of the worker in docs/recipes.md: a line when it begins and a line when it is done.
echo begun >> "$DONE"
sleep 0.3
echo done >> "$DONE"
