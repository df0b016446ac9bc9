"""What the stack costs: time, memory and requests, for one registration and for fleets of them.

Owns `make bench`: the programs that are run, how a run is measured, and the one table that comes of it. It asserts
nothing; the limits that must hold are in the tests. Linux and macOS.
"""
