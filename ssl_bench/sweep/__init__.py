"""Many runs from one grid: cells, their states on the disk, and the loop that starts and watches them.

Hands on finished runs, one folder a cell.
"""
