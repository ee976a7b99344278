"""Make hosts ready before the first job: what their machines start from is there.

``caches`` sends what this machine's cache has of it, images and toolchains, to hosts that lack it
(``take_in`` runs there); ``templates`` has each template made on one host, and copied to the others or made
there, whichever is sooner; ``hosts`` does both for all hosts of a cluster at once. ``glibc`` sends what one
lab needs, before its units are given away.
"""
