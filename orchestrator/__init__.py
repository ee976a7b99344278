"""isolab: the same exercises on every kind of separation, the answers side by side.

Data flows one way: ``lab.yaml -> load -> Lab -> plan -> jobs -> engine -> machine ->
exercise -> Record -> store -> contrast -> report``. Everything left of the engine and right
of the store is pure.
"""

__version__ = "0.1.0"
