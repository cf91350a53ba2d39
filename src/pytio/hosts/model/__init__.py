"""What a host that is all model is made of; the sysfs-shaped tree in front of it, first of all.

`pytio.hosts.model.tree` has functions, drivers and host bridges, `pytio.hosts.model.tsm_files` the TSM's files, and
`pytio.hosts.model.file_nodes` what both are made of.
"""

__all__ = ()
