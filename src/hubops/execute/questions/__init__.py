"""The program that asks a copy of a hub's database about everybody: sent into a pod of the hub's own image as source.

So it has the standard library, and of what it finds there JupyterHub and KubeSpawner (docs/adr/0017).
"""
