"""The class in a browser, over HTTPS on one port.

``serve`` runs ``app``. ``guard`` looks at every request, ``entrance`` turns a link of ``tokens`` into a
session, ``admission`` decides which routes it opens: ``student``, ``lecturer``, ``sockets``. Behind them are
the shared ``terminals``, ``actions`` on the class, and the ``hub`` that tells open pages what happens.
"""
