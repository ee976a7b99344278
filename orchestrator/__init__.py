"""isolab: the same exercises on every kind of separation, the answers side by side.

The packages, in the order of the flow; each imports only from those before it, and import-linter holds that:

=============  ==================================================================================
``host``       the controller's own machine: processes, resources, cache, temporary folders, SQLite
``labfile``    a lab's folder -> a checked ``Lab``, every mistake at once, and the plan
``debian``     Debian archives, verified from a release's signature down to a package's files
``compile``    the tool chain of an architecture; an exercise's programs, compiled once per content
``transport``  commands and files in a machine: SSH, this host, the runner behind both
``images``     guest images: built from recipes, kept by content, exported
``drivers``    one folder for each kind of machine: an ``Order`` in, a ``Handle`` out
``machines``   machines as this host knows them: provisioned, journalled, joined, taken down
``exercises``  an exercise on a connected machine: pushed, run, judged -> a ``Record``
``results``    records kept, compared, their differences attributed
``report``     a comparison as text, Markdown, HTML, JUnit, CSV, Gradescope, JSON
``run``        a run from a lab to its reports, job by job; ``gc``; ``try``
``sessions``   machines that outlive the command: up, found again, entered, filled, down
``bench``      measurements of isolab itself
``cli``        the command: one module for each verb
=============  ==================================================================================

The modules beside them are vocabulary that all of them share.
"""

__version__ = "0.1.0"
