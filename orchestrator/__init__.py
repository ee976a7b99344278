"""isolab: run the same exercises on every kind of isolation and compare the results.

The packages, in the order of the flow; each imports only from those before it (checked by import-linter):

===============  ================================================================================
``host``         the controller's own machine: processes, resources, cache, temporary folders, SQLite
``labfile``      a lab's folder -> a checked ``Lab``, all mistakes reported at once; the plan
``debian``       Debian archives, verified from a release's signature down to a package's files
``compile``      the tool chain of an architecture; an exercise's programs, compiled once per content
``transport``    commands and files in a machine: SSH, this host, the runner behind both
``images``       guest images: built from recipes, kept by content, exported
``drivers``      one folder for each kind of machine: an ``Order`` in, a ``Handle`` out
``machines``     machines on this host: provisioned, journalled, networked, taken down
``exercises``    an exercise on a connected machine: pushed, run, judged -> a ``Record``
``results``      records stored and compared, differences attributed
``report``       a comparison as text, Markdown, HTML, JUnit, CSV, Gradescope, JSON
``run``          a run from a lab to its reports, job by job; ``gc``; ``try``
``submissions``  a class's hand-ins, from a folder or an archive -> who handed in what
``grading``      each submission on machines of its own -> a verdict on disk, and a receipt
``gradebook``    grades as CSV, feedback pages, learning platforms' files
``sessions``     machines that outlive the command: up, lookup, exec, file transfer, down
``cluster``      the same on several hosts: an agent on each, and Dask in between
``bench``        measurements of isolab itself
``cli``          the command: one module for each verb
===============  ================================================================================

The modules next to them are shared by all packages.
"""

__version__ = "0.1.0"
